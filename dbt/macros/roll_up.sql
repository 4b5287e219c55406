{#
    Counts on every level, from a relation of counts on the levels they were delivered on
    (geography, edition, level, area, period, reference_date, measure, value, status).

    Every valid area of a delivered level is expected. An area takes the delivery of its own level; else the sum
    of the nearest finer delivered level, complete ones first. A sum with a missing part is missing, and says so; a sum
    with an estimated part is estimated, but where what is estimated are parts of municipalities and the sum is of whole
    ones: what an office estimates for the parts of its municipality is exact for the whole of it.
#}
{% macro roll_up(counts) %}
with counted as (

    select * from {{ counts }}

),

counted_measure as (

    select distinct measure from counted

),

expected as (

    select * from {{ ref('core_expected') }}

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

municipality_rank as (

    select distinct area.geography, area.edition, area.level_rank
    from {{ source('geography', 'area') }} as area
    inner join {{ source('catalogue', 'region') }} as region
        on area.geography = region.geography
        and area.level = region.municipality_level

),

level_rank as (

    select distinct geography, edition, level, level_rank
    from {{ source('geography', 'area') }}

),

candidate as (

    select
        {{ area_keys('expected', level='ancestor.ancestor_level', area='ancestor.ancestor') }},
        expected.measure,
        ancestor.level_rank as delivered_rank,
        {{ worst_status('counted.status') }} as status,
        count(*) as parts,
        count(counted.value) as parts_with_value,
        count(counted.area) as parts_delivered,
        sum(counted.value) as total
    from expected
    inner join counted_measure on expected.measure = counted_measure.measure
    inner join ancestor
        on expected.geography = ancestor.geography
        and expected.edition = ancestor.edition
        and expected.level = ancestor.level
        and expected.area = ancestor.area
    left join counted
        on expected.measure = counted.measure
        and {{ same_cell('expected', 'counted') }}
    group by
        expected.geography, expected.edition, ancestor.ancestor_level, ancestor.ancestor, expected.period,
        expected.reference_date, expected.measure, ancestor.level_rank

),

ranked as (

    select
        *,
        row_number() over (
            partition by geography, edition, level, area, period, measure
            order by case when parts = parts_with_value then 0 else 1 end, delivered_rank desc
        ) as preference
    from candidate

)

select
    {{ area_keys('ranked') }},
    ranked.measure,
    case when ranked.parts = ranked.parts_with_value then ranked.total end as value,
    case
        when ranked.parts != ranked.parts_with_value then 'missing'
        when ranked.delivered_rank < municipality_rank.level_rank
            and level_rank.level_rank >= municipality_rank.level_rank then 'reported'
        else ranked.status
    end as status,
    case
        when ranked.parts = ranked.parts_with_value then null
        when ranked.parts_delivered = 0 then 'not_delivered'
        when ranked.parts = 1 then 'missing_in_source'
        else 'incomplete_parts'
    end as reason
from ranked
left join level_rank
    on ranked.geography = level_rank.geography
    and ranked.edition = level_rank.edition
    and ranked.level = level_rank.level
left join municipality_rank
    on ranked.geography = municipality_rank.geography
    and ranked.edition = municipality_rank.edition
where ranked.preference = 1
{% endmacro %}

{#
    Counts on every level, from a relation of counts on the levels they were delivered on
    (geography, edition, level, area, period, reference_date, measure, value).

    Every valid area of a delivered level is expected. An area takes the delivery of its own level; else the sum
    of the nearest finer delivered level, complete ones first. A sum with a missing part is missing, and says so.
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

candidate as (

    select
        {{ area_keys('expected', level='ancestor.ancestor_level', area='ancestor.ancestor') }},
        expected.measure,
        ancestor.level_rank as delivered_rank,
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
    {{ area_keys() }},
    measure,
    case when parts = parts_with_value then total end as value,
    case when parts = parts_with_value then 'reported' else 'missing' end as status,
    case
        when parts = parts_with_value then null
        when parts_delivered = 0 then 'not_delivered'
        when parts = 1 then 'missing_in_source'
        else 'incomplete_parts'
    end as reason
from ranked
where preference = 1
{% endmacro %}

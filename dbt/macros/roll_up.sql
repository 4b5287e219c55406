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

area as (

    select * from {{ source('geography', 'area') }}

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

delivered_level as (

    select distinct geography, edition, level, period, reference_date, measure
    from counted

),

expected as (

    select
        delivered_level.*,
        area.area,
        ancestor.level_rank as delivered_rank,
        ancestor.ancestor,
        ancestor.ancestor_level
    from delivered_level
    inner join area
        on delivered_level.geography = area.geography
        and delivered_level.edition = area.edition
        and delivered_level.level = area.level
        and delivered_level.reference_date >= coalesce(area.exists_from, delivered_level.reference_date)
        and delivered_level.reference_date <= coalesce(area.exists_to, delivered_level.reference_date)
    inner join ancestor
        on area.geography = ancestor.geography
        and area.edition = ancestor.edition
        and area.level = ancestor.level
        and area.area = ancestor.area

),

candidate as (

    select
        expected.geography,
        expected.edition,
        expected.ancestor_level as level,
        expected.ancestor as area,
        expected.period,
        expected.reference_date,
        expected.measure,
        expected.delivered_rank,
        count(*) as parts,
        count(counted.value) as parts_with_value,
        count(counted.area) as parts_delivered,
        sum(counted.value) as total
    from expected
    left join counted
        on expected.geography = counted.geography
        and expected.edition = counted.edition
        and expected.level = counted.level
        and expected.area = counted.area
        and expected.period = counted.period
        and expected.measure = counted.measure
    group by
        expected.geography, expected.edition, expected.ancestor_level, expected.ancestor, expected.period,
        expected.reference_date, expected.measure, expected.delivered_rank

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
    geography, edition, level, area, period, reference_date, measure,
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

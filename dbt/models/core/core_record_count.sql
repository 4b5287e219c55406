-- counts of records on every published level: an area without any has none, if all its municipalities delivered; else the
-- count is missing. An area that does not exist on that day has no count, unless records lie in it.
with observation as (

    select * from {{ ref('core_observation') }}
    where is_record

),

delivery as (

    select * from {{ source('judged', 'delivery') }}
    where in_force

),

municipality as (

    select * from {{ source('catalogue', 'municipality') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

area as (

    select * from {{ source('geography', 'area') }}

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

delivered_municipality as (

    select distinct delivery.source, delivery.period, municipality.municipality
    from delivery
    inner join municipality
        on delivery.municipality = municipality.municipality
        or delivery.municipality = municipality.region_sender

),

counted_measure as (

    select distinct source, geography, edition, measure, period, reference_date
    from observation

),

published_level as (

    select distinct geography, edition, level
    from area
    where is_published

),

-- an area lies in one municipality, or is made of several
area_municipality as (

    select area.geography, area.edition, area.level, area.area, area.municipality
    from area
    cross join region
    inner join ancestor
        on area.geography = ancestor.geography
        and area.edition = ancestor.edition
        and area.level = ancestor.level
        and area.area = ancestor.area
        and region.municipality_level = ancestor.ancestor_level
    union all
    select distinct
        ancestor.geography,
        ancestor.edition,
        ancestor.ancestor_level as level,
        ancestor.ancestor as area,
        ancestor.area as municipality
    from ancestor
    inner join region
        on ancestor.level = region.municipality_level
        and ancestor.ancestor_level != region.municipality_level

),

coverage as (

    select
        counted_measure.geography,
        counted_measure.edition,
        area_municipality.level,
        area_municipality.area,
        counted_measure.period,
        counted_measure.reference_date,
        counted_measure.measure,
        count(*) as municipalities,
        count(delivered_municipality.municipality) as delivered
    from counted_measure
    inner join area_municipality
        on counted_measure.geography = area_municipality.geography
        and counted_measure.edition = area_municipality.edition
    inner join published_level
        on area_municipality.geography = published_level.geography
        and area_municipality.edition = published_level.edition
        and area_municipality.level = published_level.level
    left join delivered_municipality
        on counted_measure.source = delivered_municipality.source
        and counted_measure.period = delivered_municipality.period
        and area_municipality.municipality = delivered_municipality.municipality
    group by
        counted_measure.geography, counted_measure.edition, area_municipality.level, area_municipality.area,
        counted_measure.period, counted_measure.reference_date, counted_measure.measure

),

total as (

    select
        {{ area_keys('observation', level='ancestor.ancestor_level', area='ancestor.ancestor') }},
        observation.measure,
        sum(observation.value) as total
    from observation
    inner join ancestor on {{ same_area('observation', 'ancestor') }}
    inner join published_level
        on ancestor.geography = published_level.geography
        and ancestor.edition = published_level.edition
        and ancestor.ancestor_level = published_level.level
    group by
        observation.geography, observation.edition, ancestor.ancestor_level, ancestor.ancestor, observation.period,
        observation.reference_date, observation.measure

)

select
    {{ area_keys('coverage') }},
    coverage.measure,
    case when coverage.delivered = coverage.municipalities then coalesce(total.total, 0) end as value,
    case when coverage.delivered = coverage.municipalities then 'reported' else 'missing' end as status,
    case
        when coverage.delivered = coverage.municipalities then null
        when coverage.delivered = 0 then 'not_delivered'
        else 'incomplete_parts'
    end as reason
from coverage
inner join area on {{ same_area('coverage', 'area') }}
left join total
    on coverage.measure = total.measure
    and {{ same_cell('coverage', 'total') }}
where total.total is not null
    or (
        coverage.reference_date >= coalesce(area.exists_from, coverage.reference_date)
        and coverage.reference_date <= coalesce(area.exists_to, coverage.reference_date)
    )

-- reads the geography and protected_indicator_value; the areas of every edition with their outlines and latest population
with area as (

    select * from {{ source('geography', 'area') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

population as (

    select
        shown.geography,
        shown.edition,
        shown.level,
        shown.area,
        shown.reference_date,
        shown.value,
        shown.status,
        row_number() over (
            partition by shown.geography, shown.edition, shown.level, shown.area
            order by shown.reference_date desc
        ) as recency
    from {{ ref('protected_indicator_value') }} as shown
    inner join {{ source('catalogue', 'indicator') }} as indicator
        on shown.indicator = indicator.indicator
        and indicator.kind = 'count'
    inner join region on indicator.numerator = region.population
    where shown.value is not null

)

select
    area.geography,
    area.edition,
    area.level,
    area.level_name,
    area.level_plural,
    area.level_rank,
    area.area,
    area.name,
    area.area_type,
    area.area_type_name,
    area.parent,
    area.parent_level,
    area.municipality,
    population.value as population,
    population.reference_date as population_reference_date,
    area.valid_from,
    area.valid_to,
    area.area_km2,
    area.is_unallocated,
    area.geometry,
    population.status as population_status
from area
left join population
    on {{ same_area('area', 'population') }}
    and population.recency = 1
where area.is_published
order by area.geography, area.edition, area.level_rank, area.area

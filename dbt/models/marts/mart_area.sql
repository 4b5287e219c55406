-- reads the geography and core_count; the areas of every edition with their outlines and latest population
with area as (

    select * from {{ source('geography', 'area') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

population as (

    select
        core_count.geography,
        core_count.edition,
        core_count.level,
        core_count.area,
        core_count.reference_date,
        core_count.value,
        row_number() over (
            partition by core_count.geography, core_count.edition, core_count.level, core_count.area
            order by core_count.reference_date desc
        ) as recency
    from {{ ref('core_count') }} as core_count
    inner join region on core_count.measure = region.population
    where core_count.value is not null

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
    area.parent,
    area.parent_level,
    area.municipality,
    population.value as population,
    population.reference_date as population_reference_date,
    area.valid_from,
    area.valid_to,
    area.area_km2,
    area.is_unallocated,
    area.geometry
from area
left join population
    on {{ same_area('area', 'population') }}
    and population.recency = 1
where area.is_published
order by area.geography, area.edition, area.level_rank, area.area

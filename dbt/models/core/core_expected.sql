-- who should have reported: every valid area of a level, in each period a table delivered a measure on that level
with delivered_level as (

    select distinct geography, edition, level, period, reference_date, measure
    from {{ ref('core_observation') }}
    where not is_record

),

area as (

    select * from {{ source('geography', 'area') }}

)

select
    {{ area_keys('delivered_level', area='area') }},
    delivered_level.measure
from delivered_level
inner join area
    on delivered_level.geography = area.geography
    and delivered_level.edition = area.edition
    and delivered_level.level = area.level
    and delivered_level.reference_date >= coalesce(area.exists_from, delivered_level.reference_date)
    and delivered_level.reference_date <= coalesce(area.exists_to, delivered_level.reference_date)
where not area.is_unallocated

-- all counts as they were delivered, on the levels that are published or that others are carried over from: true,
-- confidential, as a file that the disclosure control reads
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/core/core_disclosure_cell.parquet') }}
with counted as (

    select {{ area_keys() }}, measure, value, status, reason
    from {{ ref('core_count') }}
    where conversion_class is null
    union all
    select {{ area_keys() }}, measure, value, status, reason
    from {{ ref('core_recovered_count') }}

),

-- a count that was carried over from other boundaries and has no value is none that was delivered
conversion as (

    select * from {{ ref('core_conversion') }}

),

conversion_source as (

    select distinct source_geography, source_edition, source_level
    from conversion

),

area as (

    select area.*
    from {{ source('geography', 'area') }} as area
    left join conversion_source
        on area.geography = conversion_source.source_geography
        and area.edition = conversion_source.source_edition
        and area.level = conversion_source.source_level
    where area.is_published or conversion_source.source_level is not null

)

select
    {{ area_keys('counted') }},
    counted.measure,
    counted.value,
    counted.status,
    counted.reason
from counted
inner join area on {{ same_area('counted', 'area') }}
left join conversion
    on counted.measure = conversion.measure
    and {{ same_cell('counted', 'conversion') }}
where conversion.area is null

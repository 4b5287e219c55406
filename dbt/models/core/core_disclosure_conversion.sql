-- which counts were carried over from which boundaries, as a file that the disclosure control reads: they are hidden
-- wherever one of their sources is
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/core/core_disclosure_conversion.parquet') }}
with conversion as (

    select * from {{ ref('core_conversion') }}

),

weight as (

    select * from {{ source('crosswalk', 'weight') }}

)

select
    {{ area_keys('conversion') }},
    conversion.measure,
    conversion.value,
    conversion.source_geography,
    conversion.source_edition,
    conversion.source_level,
    weight.source_area
from conversion
inner join weight
    on conversion.source_geography = weight.source_geography
    and conversion.source_edition = weight.source_edition
    and conversion.source_level = weight.source_level
    and conversion.universe = weight.universe
    and conversion.reference_date = weight.reference_date
    and {{ same_area('conversion', 'weight') }}
where weight.weight > 0

-- all counts of the levels that are published, true and confidential, as a file that the disclosure control reads
{{ config(
    materialized='external',
    location=env_var('SOZIALRAUM_REGION_DATA') ~ '/core/core_disclosure_cell.parquet'
) }}
with counted as (

    select {{ area_keys() }}, measure, value, status, reason from {{ ref('core_count') }}
    union all
    select {{ area_keys() }}, measure, value, status, reason from {{ ref('core_recovered_count') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where is_published

)

select
    {{ area_keys('counted') }},
    counted.measure,
    counted.value,
    counted.status,
    counted.reason
from counted
inner join area on {{ same_area('counted', 'area') }}

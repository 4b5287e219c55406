-- which crosswalks are needed: counts of tables that speak of other boundaries than the reporting edition's, where that
-- day's counts were not delivered on them as well; leaves the warehouse
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/support/need.parquet') }}
with need as (

    select distinct geography, edition, level, universe, reference_date
    from {{ ref('core_foreign_count') }}

)

select geography, edition, level, universe, reference_date
from need
order by geography, edition, level, universe, reference_date

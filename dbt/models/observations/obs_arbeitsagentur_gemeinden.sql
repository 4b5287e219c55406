-- reads stg_arbeitsagentur_gemeinden: counts by municipality, one column each; yields one row per area, period and measure
{{ config(enabled='arbeitsagentur_gemeinden' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_arbeitsagentur_gemeinden') }}

)

select
    {{ observation_keys() }},
    column_name as measure,
    true as additive,
    value,
    status
from delivered

-- reads stg_arbeitsagentur: counts by area, one column each; yields one row per area, period and measure
{{ config(enabled='arbeitsagentur' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_arbeitsagentur') }}

)

select
    {{ observation_keys() }},
    column_name as measure,
    true as additive,
    value,
    status
from delivered

-- reads stg_schuluebergaenge_schulen: counts by catchment, one column each; yields one row per area, period and measure
{{ config(enabled='schuluebergaenge_schulen' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_schuluebergaenge_schulen') }}

)

select
    {{ observation_keys() }},
    column_name as measure,
    true as additive,
    value,
    status
from delivered

-- reads stg_mss_shares: reported shares and changes, one column each; yields one row per area, period and measure
{{ config(enabled='mss_shares' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_mss_shares') }}

)

select
    {{ observation_keys() }},
    case when column_name = 'inhabitants' then 'mss_population' else concat('mss_', column_name) end as measure,
    column_name = 'inhabitants' as additive,
    value,
    status
from delivered

-- indicators that need no other indicator's result beside their own
with direct as (

    select * from {{ ref('core_indicator_count') }}
    union all
    select * from {{ ref('core_indicator_share') }}
    union all
    select * from {{ ref('core_indicator_reported_share') }}
    union all
    select * from {{ ref('core_indicator_reported_change') }}

)

select * from direct

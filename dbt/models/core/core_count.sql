-- counts of all sources on every level of their geography
with delivered_count as (

    select * from {{ ref('core_observation') }}
    where additive

),

rolled_up as (
    {{ roll_up('delivered_count') }}
)

select * from rolled_up

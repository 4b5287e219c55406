-- counts of all sources on every level of their geography
with delivered_count as (

    select * from {{ ref('core_observation') }}
    where additive and not is_record

),

rolled_up as (
    {{ roll_up('delivered_count') }}
),

record_count as (

    select * from {{ ref('core_record_count') }}

),

combined as (

    select {{ area_keys() }}, measure, value, status, reason from rolled_up
    union all
    select {{ area_keys() }}, measure, value, status, reason from record_count

)

select * from combined

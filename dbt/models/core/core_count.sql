-- counts of all sources on every level of their geography; those of other boundaries on the reporting edition as well
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

conversion as (

    select * from {{ ref('core_conversion') }}

),

combined as (

    select
        {{ area_keys() }},
        measure, value, status, reason, cast(null as varchar) as conversion_class,
        cast(null as double) as design_effect
    from rolled_up
    union all
    select
        {{ area_keys() }},
        measure, value, status, reason, cast(null as varchar) as conversion_class,
        cast(null as double) as design_effect
    from record_count
    union all
    select {{ area_keys() }}, measure, value, status, reason, conversion_class, design_effect
    from conversion

)

select * from combined

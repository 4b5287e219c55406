-- all indicators of all kinds: the true numbers, confidential
with plain as (

    select * from {{ ref('core_indicator_direct') }}
    union all
    select * from {{ ref('core_indicator_change') }}

),

index_value as (

    select * from {{ ref('core_indicator_index') }}

),

combined as (

    select
        {{ area_keys() }},
        indicator, value, cast(null as varchar) as class, numerator, denominator, ci_low, ci_high, status, reason,
        conversion_class
    from plain
    union all
    select
        {{ area_keys() }},
        indicator, value, class, numerator, denominator, ci_low, ci_high, status, reason,
        cast(null as varchar) as conversion_class
    from index_value

)

select * from combined

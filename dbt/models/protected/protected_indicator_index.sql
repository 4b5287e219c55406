-- reads protected_index_input and protected_index_component; kind index: weighted sum of the standardised components, standardised again, and its class
{%- set uncertain = "(coalesce(class_rank.conversion_class, 'A') = 'D')" %}
with input as (

    select distinct {{ area_keys() }}, indicator, reason
    from {{ ref('protected_index_input') }}

),

component as (

    select * from {{ ref('protected_index_component') }}

),

class as (

    select * from {{ source('catalogue', 'index_class') }}

),

summed as (

    select
        {{ area_keys() }},
        indicator,
        {{ complete_sum('weight * z') }} as total,
        max(conversion_class) as conversion_class,
        {{ worst_status('status') }} as status
    from component
    group by {{ area_keys() }}, indicator

),

standardised as (

    select
        {{ area_keys() }},
        indicator,
        conversion_class,
        status,
        (total - avg(total) over (partition by indicator, geography, edition, level, period))
            / nullif(stddev_pop(total) over (partition by indicator, geography, edition, level, period), 0) as value
    from summed

),

class_rank as (

    select
        {{ area_keys('standardised') }},
        standardised.indicator,
        standardised.value,
        standardised.conversion_class,
        standardised.status,
        min(class.class_rank) as class_rank
    from standardised
    inner join class
        on standardised.indicator = class.indicator
        and (
            class.upper_bound is null
            or standardised.value < class.upper_bound
            or (class.includes_bound and standardised.value = class.upper_bound)
        )
    where standardised.value is not null
    group by {{ area_keys('standardised') }}, standardised.indicator, standardised.value,
        standardised.conversion_class, standardised.status

)

select
    {{ area_keys('input') }},
    input.indicator,
    case when not {{ uncertain }} then class_rank.value end as value,
    cast(null as double) as numerator,
    cast(null as double) as denominator,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    case when not {{ uncertain }} then class.class end as class,
    case
        when {{ uncertain }} then 'missing'
        when class_rank.value is not null then class_rank.status
        when input.reason = 'hidden_input' then 'suppressed'
        when input.reason = 'missing_input' then 'missing'
        else 'not_applicable'
    end as status,
    case
        when {{ uncertain }} then 'conversion_too_uncertain'
        when class_rank.value is null and coalesce(input.reason, '') != 'hidden_input'
            then coalesce(input.reason, 'no_variation')
    end as reason,
    class_rank.conversion_class
from input
left join class_rank
    on input.indicator = class_rank.indicator
    and {{ same_cell('input', 'class_rank') }}
left join class
    on class_rank.indicator = class.indicator
    and class_rank.class_rank = class.class_rank

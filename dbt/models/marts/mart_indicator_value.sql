-- reads protected_indicator_value and protected_event_gap; the published cube
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

),

event_gap as (

    select * from {{ ref('protected_event_gap') }}

),

combined as (

    select
        {{ area_keys() }},
        municipality, indicator, value, class, status, reason, numerator, denominator, ci_low, ci_high, conversion_class
    from indicator_value
    union all
    select
        {{ area_keys() }},
        municipality, indicator, null as value, null as class, status, reason, null as numerator, null as denominator,
        null as ci_low, null as ci_high, null as conversion_class
    from event_gap

)

select
    geography,
    edition,
    level,
    area,
    municipality,
    period,
    reference_date,
    indicator,
    'total' as breakdown,
    value,
    class,
    status,
    reason,
    numerator,
    denominator,
    ci_low,
    ci_high,
    conversion_class
from combined
order by geography, edition, level, area, period, indicator

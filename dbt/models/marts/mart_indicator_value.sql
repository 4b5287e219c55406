-- reads protected_indicator_value; the published cube
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

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
from indicator_value
order by geography, edition, level, area, period, indicator

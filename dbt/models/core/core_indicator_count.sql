-- kind count: the count itself
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'count'

),

counted as (

    select * from {{ ref('core_shown_count') }}

)

select
    {{ area_keys('counted') }},
    indicator.indicator,
    counted.value,
    counted.value as counted_value,
    counted.value as numerator,
    cast(null as double) as denominator,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    counted.status,
    counted.reason,
    counted.conversion_class
from indicator
inner join counted
    on indicator.numerator = counted.measure
    and {{ in_declared_years('indicator', 'counted.period') }}

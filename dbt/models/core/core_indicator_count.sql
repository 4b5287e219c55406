-- kind count: the count itself
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'count'

),

counted as (

    select * from {{ ref('core_count') }}

)

select
    {{ area_keys('counted') }},
    indicator.indicator,
    case when {{ stands_alone('counted.conversion_class') }} then counted.value end as value,
    counted.value as counted_value,
    case when {{ stands_alone('counted.conversion_class') }} then counted.value end as numerator,
    cast(null as double) as denominator,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    case when {{ stands_alone('counted.conversion_class') }} then counted.status else 'missing' end as status,
    case
        when {{ stands_alone('counted.conversion_class') }} then counted.reason
        else 'conversion_too_uncertain'
    end as reason,
    counted.conversion_class
from indicator
inner join counted
    on indicator.numerator = counted.measure
    and {{ in_declared_years('indicator', 'counted.period') }}

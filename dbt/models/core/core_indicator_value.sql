-- all indicators that are made from counts: the true numbers, confidential; an index is made from what may be shown
with combined as (

    select * from {{ ref('core_indicator_direct') }}
    union all
    select * from {{ ref('core_indicator_change') }}

)

select
    {{ area_keys() }},
    indicator, value, numerator, denominator, ci_low, ci_high, status, reason
from combined

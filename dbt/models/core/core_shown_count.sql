-- counts as everything that is shown is formed of them: where a source is rounded or noisy, other numbers than the true
-- ones, which the protection has chosen
with counted as (

    select * from {{ ref('core_count') }}

),

shown as (

    select * from {{ source('protection', 'shown_count') }}

)

select
    {{ area_keys('counted') }},
    counted.measure,
    case when shown.measure is not null then cast(shown.value as double) else counted.value end as value,
    counted.status,
    counted.reason,
    counted.conversion_class,
    counted.design_effect
from counted
left join shown
    on counted.measure = shown.measure
    and {{ same_day('counted', 'shown') }}

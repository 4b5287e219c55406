-- numerators behind shares that a source reports ready-made, where share × denominator is an integer
-- within what the printed digits allow; on the levels the share was delivered on. Of a denominator that is an estimate
-- itself nothing is recovered: whether the product is an integer would be chance.
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'reported_share'

),

observation as (

    select * from {{ ref('core_observation') }}

),

denominator as (

    select * from {{ ref('core_count') }}
    where status = 'reported'

),

product as (

    select
        observation.geography,
        observation.edition,
        observation.level,
        observation.area,
        observation.period,
        observation.reference_date,
        observation.measure,
        observation.value * denominator.value / indicator.factor as numerator,
        denominator.value / indicator.factor * 0.5 * power(10, -indicator.reported_decimals) as rounding
    from indicator
    inner join observation on indicator.reported_measure = observation.measure
    left join denominator
        on indicator.denominator = denominator.measure
        and {{ same_day('observation', 'denominator') }}

)

select
    geography, edition, level, area, period, reference_date, measure,
    'reported' as status,
    case when abs(numerator - round(numerator)) <= rounding + 0.000000001 then round(numerator) end as value
from product

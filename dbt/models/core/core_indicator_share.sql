-- kinds share and rate: numerator by denominator of the same reference date; a share has an interval
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('share', 'rate')

),

counted as (

    select * from {{ ref('core_count') }}

),

paired as (

    select
        {{ area_keys('numerator') }},
        indicator.indicator,
        indicator.kind,
        indicator.factor,
        numerator.value as numerator,
        denominator.value as denominator,
        coalesce(numerator.reason, denominator.reason, case when denominator.area is null then 'not_delivered' end)
            as reason
    from indicator
    inner join counted as numerator
        on indicator.numerator = numerator.measure
        and {{ in_declared_years('indicator', 'numerator.period') }}
    left join counted as denominator
        on indicator.denominator = denominator.measure
        and {{ same_day('numerator', 'denominator') }}

),

divided as (

    select
        *,
        factor * numerator / nullif(denominator, 0) as value,
        case when kind = 'share' then {{ wilson_bound('numerator', 'denominator', 'factor', '-') }} end as low,
        case when kind = 'share' then {{ wilson_bound('numerator', 'denominator', 'factor', '+') }} end as high
    from paired

)

select
    {{ area_keys() }},
    indicator,
    value,
    value as counted_value,
    numerator,
    denominator,
    case when value is not null then low end as ci_low,
    case when value is not null then high end as ci_high,
    case
        when value is not null then 'reported'
        when denominator = 0 then 'not_applicable'
        else 'missing'
    end as status,
    case when value is null then case when denominator = 0 then 'denominator_zero' else reason end end as reason
from divided

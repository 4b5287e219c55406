-- kinds share and rate: numerator by denominator of the same reference date, summed over several years where the
-- declaration pools rare events; few people in the denominator or a wide interval make a value unreliable
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('share', 'rate')

),

counted as (

    select * from {{ ref('core_shown_count') }}

),

-- an indicator exists where both of its measures are delivered at all
delivered_indicator as (

    select indicator.*
    from indicator
    inner join (select distinct measure from counted) as denominator on indicator.denominator = denominator.measure

),

paired as (

    select
        {{ area_keys('latest') }},
        indicator.indicator,
        case when count(numerator.value) = indicator.pooled_years then sum(numerator.value) end as numerator,
        case when count(denominator.value) = indicator.pooled_years then sum(denominator.value) end as denominator,
        coalesce(
            min(numerator.reason),
            min(denominator.reason),
            case
                when count(*) < indicator.pooled_years then 'too_few_years'
                when count(denominator.area) < count(*) then 'not_delivered'
            end
        ) as reason,
        max({{ worse_class('numerator.conversion_class', 'denominator.conversion_class') }}) as conversion_class
    from delivered_indicator as indicator
    inner join counted as latest
        on indicator.numerator = latest.measure
        and {{ in_declared_years('indicator', 'latest.period') }}
    inner join counted as numerator
        on latest.measure = numerator.measure
        and {{ same_area('latest', 'numerator') }}
        and numerator.reference_date <= latest.reference_date
        and numerator.reference_date > {{ years_before('latest.reference_date', 'indicator.pooled_years') }}
    left join counted as denominator
        on indicator.denominator = denominator.measure
        and {{ same_day('numerator', 'denominator') }}
    group by {{ area_keys('latest') }}, indicator.indicator, indicator.pooled_years

),

-- parts and wholes that were carried over apart may disagree by a little: a part is never more than its whole
counted_part as (

    select
        {{ area_keys('paired') }},
        paired.indicator,
        case
            when indicator.kind = 'share' and paired.conversion_class is not null and paired.numerator > paired.denominator
                then paired.denominator
            else paired.numerator
        end as numerator,
        paired.denominator,
        paired.reason,
        paired.conversion_class
    from paired
    inner join delivered_indicator as indicator on paired.indicator = indicator.indicator

),

divided as (

    select
        counted_part.*,
        indicator.minimum_denominator,
        indicator.widest_interval,
        indicator.narrow_interval,
        indicator.widest_relative_interval,
        indicator.factor * counted_part.numerator / nullif(counted_part.denominator, 0) as value,
        {{ interval_bound('indicator.interval', 'counted_part.numerator', 'counted_part.denominator', 'indicator.factor', '-') }} as ci_low,
        {{ interval_bound('indicator.interval', 'counted_part.numerator', 'counted_part.denominator', 'indicator.factor', '+') }} as ci_high
    from counted_part
    inner join delivered_indicator as indicator on counted_part.indicator = indicator.indicator

)

select
    {{ area_keys() }},
    indicator,
    value,
    value as counted_value,
    numerator,
    denominator,
    case when value is not null then ci_low end as ci_low,
    case when value is not null then ci_high end as ci_high,
    case
        when value is not null and denominator < minimum_denominator then 'unreliable'
        when value is not null and {{ is_too_wide('value', 'ci_low', 'ci_high', 'divided') }} then 'unreliable'
        when value is not null then 'reported'
        when denominator = 0 then 'not_applicable'
        else 'missing'
    end as status,
    case when value is null then case when denominator = 0 then 'denominator_zero' else reason end end as reason,
    conversion_class
from divided

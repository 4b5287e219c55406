-- kinds share and rate: numerator by denominator of the same reference date, summed over several years where the
-- declaration pools rare events; a share has an interval; few people in the denominator make a value unreliable
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('share', 'rate')

),

counted as (

    select * from {{ ref('core_count') }}

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
        indicator.kind,
        indicator.factor,
        indicator.minimum_denominator,
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
    group by
        {{ area_keys('latest') }},
        indicator.indicator, indicator.kind, indicator.factor, indicator.minimum_denominator, indicator.pooled_years

),

-- parts and wholes that were carried over apart may disagree by a little: a part is never more than its whole
counted_part as (

    select
        {{ area_keys() }},
        indicator, kind, factor, minimum_denominator,
        case
            when kind = 'share' and conversion_class is not null and numerator > denominator then denominator
            else numerator
        end as numerator,
        denominator, reason, conversion_class
    from paired

),

divided as (

    select
        *,
        factor * numerator / nullif(denominator, 0) as value,
        case when kind = 'share' then {{ wilson_bound('numerator', 'denominator', 'factor', '-') }} end as low,
        case when kind = 'share' then {{ wilson_bound('numerator', 'denominator', 'factor', '+') }} end as high
    from counted_part

),

shown as (

    select
        *,
        value as counted_value,
        case when {{ stands_alone('conversion_class') }} then value end as shown_value
    from divided

)

select
    {{ area_keys() }},
    indicator,
    shown_value as value,
    counted_value,
    case when {{ stands_alone('conversion_class') }} then numerator end as numerator,
    case when {{ stands_alone('conversion_class') }} then denominator end as denominator,
    case when shown_value is not null then low end as ci_low,
    case when shown_value is not null then high end as ci_high,
    case
        when not {{ stands_alone('conversion_class') }} then 'missing'
        when value is not null and denominator < minimum_denominator then 'unreliable'
        when value is not null then 'reported'
        when denominator = 0 then 'not_applicable'
        else 'missing'
    end as status,
    case
        when not {{ stands_alone('conversion_class') }} then 'conversion_too_uncertain'
        when value is null then case when denominator = 0 then 'denominator_zero' else reason end
    end as reason,
    conversion_class
from shown

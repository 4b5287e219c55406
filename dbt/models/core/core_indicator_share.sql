-- kinds share and rate: numerator by denominator of the same reference date, summed over several years where the
-- declaration pools rare events, unless the series breaks between them; few people in the denominator or a wide interval
-- make a value unreliable. What stands at a site is set beside the residents, and related to them only on the levels on
-- which the two belong together.
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('share', 'rate')

),

counted as (

    select * from {{ ref('core_shown_count') }}

),

indicator_break as (

    select * from {{ source('catalogue', 'indicator_break') }}

),

level as (

    select distinct geography, edition, level, level_rank
    from {{ source('geography', 'area') }}

),

supply_level as (

    select level.geography, level.edition, level.level_rank
    from level
    inner join {{ source('catalogue', 'region') }} as region
        on level.geography = region.geography
        and level.level = region.supply_level

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
        max({{ worse_class('numerator.conversion_class', 'denominator.conversion_class') }}) as conversion_class,
        -- what is split wrongly in one year is so in all of them
        1 + indicator.pooled_years * (
            max(greatest(coalesce(numerator.design_effect, 1), coalesce(denominator.design_effect, 1))) - 1
        ) as design_effect,
        {{ worst_status(worse_status('numerator.status', 'denominator.status')) }} as status
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

-- parts and wholes that were carried over or estimated apart may disagree by a little: a part is never more than its
-- whole
counted_part as (

    select
        {{ area_keys('paired') }},
        paired.indicator,
        case
            when indicator.kind = 'share'
                and (paired.conversion_class is not null or paired.status = 'estimated')
                and paired.numerator > paired.denominator
                then paired.denominator
            else paired.numerator
        end as numerator,
        paired.denominator,
        paired.reason,
        paired.conversion_class,
        paired.design_effect,
        paired.status
    from paired
    inner join delivered_indicator as indicator on paired.indicator = indicator.indicator

),

-- an interval of figures that were carried over holds both errors: so many fewer people say as much by chance alone
equivalent as (

    select
        *,
        numerator / nullif(design_effect, 0) as equivalent_numerator,
        denominator / nullif(design_effect, 0) as equivalent_denominator
    from counted_part

),

divided as (

    select
        equivalent.*,
        indicator.interval,
        indicator.factor,
        indicator.minimum_numerator,
        indicator.is_supply and coalesce(level.level_rank < supply_level.level_rank, true) as is_apart,
        exists (
            select 1 from indicator_break
            where indicator_break.indicator = equivalent.indicator
                and indicator_break.year <= {{ period_year('equivalent.period') }}
                and indicator_break.year > {{ period_year('equivalent.period') }} - (indicator.pooled_years - 1)
        ) as crosses_break,
        indicator.minimum_denominator,
        indicator.widest_interval,
        indicator.narrow_interval,
        indicator.widest_relative_interval,
        indicator.factor * equivalent.numerator / nullif(equivalent.denominator, 0) as value,
        {{ interval_bound('indicator.interval', 'equivalent.equivalent_numerator', 'equivalent.equivalent_denominator', 'indicator.factor', '-') }} as ci_low,
        {{ interval_bound('indicator.interval', 'equivalent.equivalent_numerator', 'equivalent.equivalent_denominator', 'indicator.factor', '+') }} as ci_high
    from equivalent
    inner join delivered_indicator as indicator on equivalent.indicator = indicator.indicator
    inner join level
        on equivalent.geography = level.geography
        and equivalent.edition = level.edition
        and equivalent.level = level.level
    left join supply_level
        on equivalent.geography = supply_level.geography
        and equivalent.edition = supply_level.edition

),

formed as (

    select
        {{ area_keys() }},
        indicator, numerator, denominator, interval, factor, minimum_denominator, minimum_numerator, widest_interval,
        narrow_interval, widest_relative_interval, ci_low, ci_high, reason, conversion_class, status, is_apart, crosses_break,
        case when not is_apart and not crosses_break then value end as value
    from divided

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
        when value is not null
            and {{ is_unreliable('value', 'numerator', 'denominator', 'ci_low', 'ci_high', 'formed') }} then 'unreliable'
        when value is not null then formed.status
        when (is_apart or crosses_break) and numerator is not null and denominator is not null then 'not_applicable'
        when denominator = 0 then 'not_applicable'
        else 'missing'
    end as status,
    case
        when value is not null then null
        when is_apart and numerator is not null and denominator is not null then 'supply_at_a_site'
        when crosses_break and numerator is not null and denominator is not null then 'break_in_series'
        when denominator = 0 then 'denominator_zero'
        else reason
    end as reason,
    conversion_class
from formed

-- kind change: an indicator against itself some years before, unless its series breaks between the two
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'change'

),

direct as (

    select * from {{ ref('core_indicator_direct') }}

),

indicator_break as (

    select * from {{ source('catalogue', 'indicator_break') }}

),

delivered_period as (

    select distinct indicator, geography, edition, level, reference_date
    from direct

),

paired as (

    select
        {{ area_keys('later') }},
        indicator.indicator,
        indicator.change_relative,
        later.value as later_value,
        earlier.value as earlier_value,
        {{ worse_class('later.conversion_class', 'earlier.conversion_class') }} as conversion_class,
        {{ worse_status('later.status', 'earlier.status') }} as status,
        exists (
            select 1 from indicator_break
            where indicator_break.indicator = later.indicator
                and indicator_break.year <= {{ period_year('later.period') }}
                and indicator_break.year > {{ period_year('later.period') }} - indicator.change_years
        ) as crosses_break,
        later.status as later_status,
        coalesce(
            later.reason,
            case when delivered_period.indicator is null then 'too_few_years' end,
            earlier.reason,
            case when earlier.area is null then 'not_delivered' end
        ) as reason
    from indicator
    inner join direct as later
        on indicator.change_indicator = later.indicator
        and {{ in_declared_years('indicator', 'later.period') }}
    left join delivered_period
        on later.indicator = delivered_period.indicator
        and later.geography = delivered_period.geography
        and later.edition = delivered_period.edition
        and later.level = delivered_period.level
        and {{ years_before('later.reference_date', 'indicator.change_years') }} = delivered_period.reference_date
    left join direct as earlier
        on later.indicator = earlier.indicator
        and {{ same_area('later', 'earlier') }}
        and delivered_period.reference_date = earlier.reference_date

),

compared as (

    select
        *,
        case
            when crosses_break then null
            when change_relative then 100.0 * (later_value - earlier_value) / nullif(earlier_value, 0)
            else later_value - earlier_value
        end as value
    from paired

)

select
    {{ area_keys() }},
    indicator,
    value,
    value as counted_value,
    cast(null as double) as numerator,
    cast(null as double) as denominator,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    case
        when value is not null then status
        when crosses_break or later_status = 'not_applicable' then 'not_applicable'
        when change_relative and earlier_value = 0 then 'not_applicable'
        else 'missing'
    end as status,
    case
        when value is not null then null
        when crosses_break then 'break_in_series'
        when change_relative and earlier_value = 0 then 'denominator_zero'
        else reason
    end as reason,
    conversion_class
from compared

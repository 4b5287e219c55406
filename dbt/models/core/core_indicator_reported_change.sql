-- kind reported_change: the source's own figure; beside it the same change formed from recovered counts, for an index
-- that was computed from them: the earlier share is today's minus the change, its numerator an integer again
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'reported_change'

),

share_indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

expected as (

    select * from {{ ref('core_expected') }}

),

observation as (

    select * from {{ ref('core_observation') }}

),

share as (

    select * from {{ ref('core_indicator_reported_share') }}

),

counted as (

    select * from {{ ref('core_shown_count') }}

),

paired as (

    select
        {{ area_keys('expected') }},
        indicator.indicator,
        share_indicator.factor,
        observation.value,
        coalesce(observation.status, 'missing') as status,
        observation.area is not null as was_delivered,
        share.counted_value as counted_share,
        (share.value - observation.value) * earlier.value / share_indicator.factor as earlier_numerator,
        -- both printed figures are rounded
        earlier.value / share_indicator.factor
            * 0.5 * (power(10, -indicator.reported_decimals) + power(10, -share_indicator.reported_decimals))
            as rounding,
        earlier.value as earlier_denominator
    from indicator
    inner join share_indicator on indicator.change_indicator = share_indicator.indicator
    inner join expected
        on indicator.reported_measure = expected.measure
        and {{ in_declared_years('indicator', 'expected.period') }}
    left join observation
        on expected.measure = observation.measure
        and {{ same_cell('expected', 'observation') }}
    left join share
        on share_indicator.indicator = share.indicator
        and {{ same_cell('expected', 'share') }}
    left join counted as earlier
        on share_indicator.denominator = earlier.measure
        and earlier.status = 'reported'
        and {{ same_area('expected', 'earlier') }}
        and {{ years_before('expected.reference_date', 'indicator.change_years') }} = earlier.reference_date

)

select
    {{ area_keys() }},
    indicator,
    value,
    case
        when abs(earlier_numerator - round(earlier_numerator)) <= rounding + 0.000000001
            then counted_share - factor * round(earlier_numerator) / nullif(earlier_denominator, 0)
    end as counted_value,
    cast(null as double) as numerator,
    cast(null as double) as denominator,
    cast(null as double) as ci_low,
    cast(null as double) as ci_high,
    status,
    case when value is null then case when was_delivered then 'missing_in_source' else 'not_delivered' end end as reason,
    cast(null as varchar) as conversion_class
from paired

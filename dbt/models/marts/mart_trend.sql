-- reads protected_indicator_value; the direction of each series since its last break, by the test of Mann and Kendall
{%- set fewest_periods = 5 %}
{%- set z = '1.959963984540054' %}
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}
    where value is not null and status != 'unreliable'

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('count', 'share', 'rate', 'reported_share')

),

last_break as (

    select indicator, max(year) as year
    from {{ source('catalogue', 'indicator_break') }}
    group by indicator

),

area as (

    select * from {{ source('geography', 'area') }}
    where not is_unallocated

),

shown as (

    select
        {{ area_keys('indicator_value') }},
        indicator_value.indicator,
        indicator_value.value,
        indicator.pooled_years,
        {{ period_year('indicator_value.period') }} < last_break.year as is_before_break
    from indicator_value
    inner join indicator on indicator_value.indicator = indicator.indicator
    inner join area on {{ same_area('indicator_value', 'area') }}
    left join last_break on indicator_value.indicator = last_break.indicator

),

point as (

    select * from shown
    where coalesce(is_before_break, false) = false

),

series as (

    select
        {{ series_keys('point') }},
        min(point.period) as period_from,
        max(point.period) as period_to,
        min(point.reference_date) as first_day,
        max(point.reference_date) as last_day,
        count(*) as periods,
        max(point.pooled_years) as pooled_years
    from point
    group by {{ series_keys('point') }}

),

broken as (

    select distinct {{ series_keys('shown') }}
    from shown
    where is_before_break

),

concordance as (

    select
        {{ series_keys('earlier') }},
        sum(sign(later.value - earlier.value)) as score
    from point as earlier
    inner join point as later
        on {{ same_series('earlier', 'later') }}
        and earlier.reference_date < later.reference_date
    group by {{ series_keys('earlier') }}

),

tie as (

    select {{ series_keys('point') }}, point.value, count(*) as size
    from point
    group by {{ series_keys('point') }}, point.value

),

tie_total as (

    select {{ series_keys('tie') }}, sum(tie.size * (tie.size - 1) * (2 * tie.size + 5)) as correction
    from tie
    group by {{ series_keys('tie') }}

),

tested as (

    select
        {{ series_keys('series') }},
        series.period_from,
        series.period_to,
        series.periods,
        round(last_point.value - first_point.value, 9) as change,
        case
            when series.pooled_years > 1 then 'overlapping_periods'
            when series.periods < {{ fewest_periods }} and broken.indicator is not null then 'break_in_series'
            when series.periods < {{ fewest_periods }} then 'too_few_periods'
        end as reason,
        concordance.score,
        -- one off for the step of a discrete score
        (abs(concordance.score) - 1) / nullif(
            sqrt((series.periods * (series.periods - 1) * (2 * series.periods + 5) - tie_total.correction) / 18.0), 0
        ) as z_score
    from series
    inner join tie_total on {{ same_series('series', 'tie_total') }}
    inner join point as first_point
        on {{ same_series('series', 'first_point') }}
        and series.first_day = first_point.reference_date
    inner join point as last_point
        on {{ same_series('series', 'last_point') }}
        and series.last_day = last_point.reference_date
    left join concordance on {{ same_series('series', 'concordance') }}
    left join broken on {{ same_series('series', 'broken') }}

)

select
    {{ series_keys() }},
    period_from,
    period_to,
    periods,
    change,
    case
        when reason is not null then null
        when z_score > {{ z }} and score > 0 then 'rising'
        when z_score > {{ z }} and score < 0 then 'falling'
        else 'steady'
    end as direction,
    reason
from tested
order by geography, edition, level, area, indicator

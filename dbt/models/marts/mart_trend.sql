-- reads protected_indicator_value; the direction of each series since it was last interrupted, by the test of Mann and
-- Kendall. What interrupts it is what interrupts the lines on the pages (dagster_project/reports/series.py).
{%- set fewest_periods = 5 %}
{%- set z = '1.959963984540054' %}
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

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

step as (

    select
        {{ area_keys('indicator_value') }},
        indicator_value.indicator,
        indicator_value.value,
        indicator_value.status,
        indicator_value.conversion_class,
        indicator.pooled_years,
        {{ period_year('indicator_value.period') }} < last_break.year as is_before_break,
        {{ month_number('indicator_value.reference_date') }} as month,
        lag({{ month_number('indicator_value.reference_date') }}) over (
            partition by {{ series_keys('indicator_value') }}
            order by indicator_value.reference_date, indicator_value.period
        ) as month_before
    from indicator_value
    inner join indicator on indicator_value.indicator = indicator.indicator
    inner join area on {{ same_area('indicator_value', 'area') }}
    left join last_break on indicator_value.indicator = last_break.indicator

),

-- how far apart the values of a series usually are: the lower median
spaced as (

    select
        {{ series_keys('step') }},
        step.month - step.month_before as distance,
        row_number() over (
            partition by {{ series_keys('step') }} order by step.month - step.month_before
        ) as place,
        count(*) over (partition by {{ series_keys('step') }}) as distances
    from step
    where step.month_before is not null

),

usual as (

    select {{ series_keys('spaced') }}, spaced.distance
    from spaced
    where spaced.place = floor((spaced.distances + 1) / 2)

),

-- the last hidden value, and the last value that stands after a year without any
interruption as (

    select
        {{ series_keys('step') }},
        max(case when step.value is null then step.reference_date end) as last_hidden,
        max(case when step.month - step.month_before > 1.5 * usual.distance then step.reference_date end) as last_start
    from step
    left join usual on {{ same_series('step', 'usual') }}
    -- what is hidden after the last value interrupts nothing that was there before
    inner join (
        select {{ series_keys('step') }}, max(step.reference_date) as day
        from step
        where step.value is not null
        group by {{ series_keys('step') }}
    ) as last_value on {{ same_series('step', 'last_value') }} and step.reference_date <= last_value.day
    group by {{ series_keys('step') }}

),

point as (

    select step.*
    from step
    inner join interruption on {{ same_series('step', 'interruption') }}
    where step.value is not null and step.status != 'unreliable'
        and coalesce(step.is_before_break, false) = false
        and (interruption.last_hidden is null or step.reference_date > interruption.last_hidden)
        and (interruption.last_start is null or step.reference_date >= interruption.last_start)

),

series as (

    select
        {{ series_keys('point') }},
        min(point.period) as period_from,
        max(point.period) as period_to,
        min(point.reference_date) as first_day,
        max(point.reference_date) as last_day,
        count(*) as periods,
        max(point.pooled_years) as pooled_years,
        max(case when point.status = 'estimated' then 'estimated' end) as estimated,
        max(point.conversion_class) as conversion_class
    from point
    group by {{ series_keys('point') }}

),

broken as (

    select distinct {{ series_keys('step') }}
    from step
    where step.is_before_break and step.value is not null

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
        {{ rounded('last_point.value - first_point.value', 9) }} as change,
        series.estimated,
        series.conversion_class,
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
    reason,
    coalesce(estimated, 'published') as status,
    conversion_class
from tested
order by geography, edition, level, area, indicator

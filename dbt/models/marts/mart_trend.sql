-- reads protected_indicator_value; the direction of each series since it was last interrupted: whether its slope is more
-- than chance. What interrupts it is what interrupts the lines on the pages (dagster_project/reports/series.py).
-- The same people are counted each year, so values depend on each other, and nobody knows how much: the slope's variance
-- is the largest that any correlation of one year with the next allows. Where areas scatter about their common slope
-- more than that, it is so much larger, up to what households make that are counted together: more is real. Of all series
-- of an indicator and level so few are given a direction that no more of them are false than the region declares
-- (Benjamini and Hochberg).
{%- set fewest_periods = 5 %}
{%- set fewest_areas = 10 %}
{#- Σ m² / Σ m of households of m people, in Germany 2.5 #}
{%- set largest_scatter = '2.5' %}
{%- set family = 'geography, edition, level, indicator' %}
{%- set z = '1.959963984540054' %}
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind in ('count', 'share', 'rate', 'reported_share')

),

region as (

    select * from {{ source('catalogue', 'region') }}

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
        extract(year from indicator_value.reference_date) + extract(month from indicator_value.reference_date) / 12.0 as years,
        -- a count of people varies like one of events
        case
            when indicator.kind = 'count' then sqrt(greatest(indicator_value.value, 1))
            else (indicator_value.ci_high - indicator_value.ci_low) / (2 * {{ z }})
        end as standard_error,
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

    select
        step.*,
        step.years - avg(step.years) over (partition by {{ series_keys('step') }}) as lever
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
        count(point.standard_error) as periods_with_error,
        max(point.pooled_years) as pooled_years,
        sum(point.lever * point.value) / nullif(sum(point.lever * point.lever), 0) as slope,
        sum(point.lever * point.lever) as spread,
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

judged as (

    select
        series.*,
        case
            when series.pooled_years > 1 then 'overlapping_periods'
            when series.periods < {{ fewest_periods }} and broken.indicator is not null then 'break_in_series'
            when series.periods < {{ fewest_periods }} then 'too_few_periods'
            when series.periods_with_error < series.periods then 'no_interval'
        end as reason
    from series
    left join broken on {{ same_series('series', 'broken') }}

),

-- the variance of a slope by how closely a year depends on the one before
dependent as (

    select
        {{ series_keys('one') }},
        {%- for correlation in ['0.0', '0.2', '0.4', '0.6', '0.7', '0.8', '0.9'] %}
        sum(one.lever * one.standard_error * other.lever * other.standard_error * power({{ correlation }}, abs(one.years - other.years)))
            as variance_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from point as one
    inner join point as other on {{ same_series('one', 'other') }}
    group by {{ series_keys('one') }}

),

sloped as (

    select
        judged.*,
        greatest(
            {%- for number in range(1, 8) %}dependent.variance_{{ number }}{{ ', ' if not loop.last }}{% endfor -%}
        ) / nullif(judged.spread * judged.spread, 0) as variance
    from judged
    inner join dependent on {{ same_series('judged', 'dependent') }}
    where judged.reason is null

),

common as (

    select
        geography, edition, level, indicator,
        count(*) as areas,
        sum(slope / nullif(variance, 0)) / nullif(sum(1 / nullif(variance, 0)), 0) as slope
    from sloped
    group by geography, edition, level, indicator

),

-- how much more the areas scatter than chance makes single people: the median of a squared normal score is 0.4549
scatter as (

    select
        sloped.geography, sloped.edition, sloped.indicator,
        least({{ largest_scatter }}, greatest(
            1.0, median(power(sloped.slope - common.slope, 2) / nullif(sloped.variance, 0)) / 0.4549
        )) as factor
    from sloped
    inner join common
        on sloped.geography = common.geography
        and sloped.edition = common.edition
        and sloped.level = common.level
        and sloped.indicator = common.indicator
    where common.areas >= {{ fewest_areas }}
    group by sloped.geography, sloped.edition, sloped.indicator

),

scored as (

    select
        sloped.*,
        sloped.slope / nullif(sqrt(sloped.variance * coalesce(scatter.factor, 1.0)), 0) as score
    from sloped
    left join scatter
        on sloped.geography = scatter.geography
        and sloped.edition = scatter.edition
        and sloped.indicator = scatter.indicator

),

tested as (

    select *, {{ two_sided_probability('score') }} as probability
    from scored

),

ranked as (

    select *, {{ rank_in_family('probability', family, 'area') }}
    from tested

),

adjusted as (

    select *, {{ adjusted_probability('probability', family) }} as false_discovery_rate
    from ranked

)

select
    {{ series_keys('judged') }},
    judged.period_from,
    judged.period_to,
    judged.periods,
    {{ rounded('last_point.value - first_point.value', 9) }} as change,
    case
        when judged.reason is not null then null
        when adjusted.false_discovery_rate <= region.false_discovery_rate and adjusted.score > 0 then 'rising'
        when adjusted.false_discovery_rate <= region.false_discovery_rate and adjusted.score < 0 then 'falling'
        else 'steady'
    end as direction,
    judged.reason,
    coalesce(judged.estimated, 'published') as status,
    judged.conversion_class
from judged
cross join region
inner join point as first_point
    on {{ same_series('judged', 'first_point') }}
    and judged.first_day = first_point.reference_date
inner join point as last_point
    on {{ same_series('judged', 'last_point') }}
    and judged.last_day = last_point.reference_date
left join adjusted on {{ same_series('judged', 'adjusted') }}
order by geography, edition, level, area, indicator

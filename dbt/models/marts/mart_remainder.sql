-- reads the catalogue and protected_indicator_value; totals that do not add up by declaration: how much the areas of a
-- level lack to the total above them, where every area of both levels is shown
with remainder as (

    select * from {{ source('catalogue', 'remainder') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'count'

),

level as (

    select distinct geography, edition, level, level_rank
    from {{ source('geography', 'area') }}
    where is_published

),

total as (

    select
        shown.geography, shown.edition, shown.level, shown.period, shown.indicator, level.level_rank,
        case when count(*) = count(shown.value) then sum(shown.value) end as total
    from {{ ref('protected_indicator_value') }} as shown
    inner join level
        on shown.geography = level.geography
        and shown.edition = level.edition
        and shown.level = level.level
    group by shown.geography, shown.edition, shown.level, shown.period, shown.indicator, level.level_rank

)

select
    remainder.source,
    indicator.indicator,
    own.geography,
    own.edition,
    own.level,
    own.period,
    remainder.at_most_percent,
    {{ rounded('max(above.total) - max(own.total)', 6) }} as remainder,
    {{ rounded('100.0 * (max(above.total) - max(own.total)) / nullif(max(above.total), 0)', 6) }} as remainder_percent,
    remainder.reason
from remainder
inner join indicator on remainder.measure = indicator.numerator
inner join total as own
    on remainder.geography = own.geography
    and remainder.level = own.level
    and indicator.indicator = own.indicator
left join total as above
    on own.geography = above.geography
    and own.edition = above.edition
    and own.period = above.period
    and own.indicator = above.indicator
    and own.level_rank < above.level_rank
group by
    remainder.source, indicator.indicator, own.geography, own.edition, own.level, own.period,
    remainder.at_most_percent, remainder.reason
order by remainder.source, indicator.indicator, own.geography, own.edition, own.level, own.period

-- all indicators that are made from counts: the true numbers, confidential; an index is made from what may be shown. Each
-- period of an indicator is shown on one edition: the reporting one, else the one it was delivered on. What could only
-- be carried over from other boundaries with a large error does not stand on its own.
with combined as (

    select * from {{ ref('core_indicator_direct') }}
    union all
    select * from {{ ref('core_indicator_change') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

on_reporting_edition as (

    select distinct combined.indicator, combined.period
    from combined
    inner join region
        on combined.geography = region.geography
        and combined.edition = region.reporting_edition

),

marked as (

    select
        combined.*,
        coalesce(combined.conversion_class, 'A') = 'D' as is_uncertain
    from combined
    cross join region
    left join on_reporting_edition
        on combined.indicator = on_reporting_edition.indicator
        and combined.period = on_reporting_edition.period
    where on_reporting_edition.indicator is null
        or (combined.geography = region.geography and combined.edition = region.reporting_edition)

)

select
    {{ area_keys() }},
    indicator,
    case when not is_uncertain then value end as value,
    case when not is_uncertain then numerator end as numerator,
    case when not is_uncertain then denominator end as denominator,
    case when not is_uncertain then ci_low end as ci_low,
    case when not is_uncertain then ci_high end as ci_high,
    case when is_uncertain then 'missing' else status end as status,
    case when is_uncertain then 'conversion_too_uncertain' else reason end as reason,
    conversion_class
from marked

-- reads the catalogue and protected_indicator_value; what each indicator means
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

indicator_value as (

    select
        shown.indicator,
        -- the same day as in mart_region, for one indicator
        max(
            case when shown.value is not null and region.geography is not null then shown.reference_date end
        ) as latest_reference_date
    from {{ ref('protected_indicator_value') }} as shown
    left join region
        on shown.geography = region.geography
        and shown.edition = region.reporting_edition
    group by shown.indicator

)

select
    indicator.indicator,
    indicator.name,
    indicator.short_name,
    indicator.kind,
    indicator.theme,
    indicator.theme_name,
    indicator.unit,
    indicator.unit_label,
    indicator.decimals,
    indicator.direction,
    indicator.interval,
    indicator.pooled_years,
    indicator.definition,
    indicator.formula,
    indicator.limits,
    indicator.replacement,
    indicator.replacement_note,
    indicator.source_note,
    indicator.responsible,
    indicator.sort_order,
    indicator_value.latest_reference_date,
    indicator.direction_reason,
    indicator.is_supply,
    indicator.factor,
    indicator.reported_decimals
from indicator
inner join indicator_value on indicator.indicator = indicator_value.indicator
order by indicator.sort_order, indicator.indicator

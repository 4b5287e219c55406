-- reads the catalogue; what each indicator means
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

indicator_value as (

    select distinct indicator from {{ ref('protected_indicator_value') }}

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
    indicator.sort_order
from indicator
inner join indicator_value on indicator.indicator = indicator_value.indicator
order by indicator.sort_order, indicator.indicator

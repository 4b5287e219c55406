-- reads core_indicator_value and the protection; every value made from counts with those that are hidden, for the
-- Statistikstelle alone: a file of its own that no release holds
{{ config(enabled=var('internal')) }}
{{ config(location=env_var('SOZIALRAUM_REGION_DATA') ~ '/internal/indicator_value.parquet') }}
with indicator_value as (

    select * from {{ ref('core_indicator_value') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where is_published

),

hidden as (

    select * from {{ source('protection', 'cell') }}

)

select
    {{ area_keys('indicator_value') }},
    area.municipality,
    indicator_value.indicator,
    indicator_value.value,
    indicator_value.numerator,
    indicator_value.denominator,
    indicator_value.ci_low,
    indicator_value.ci_high,
    indicator_value.status,
    indicator_value.reason,
    indicator_value.conversion_class,
    hidden.area is not null as is_hidden
from indicator_value
inner join area on {{ same_area('indicator_value', 'area') }}
left join hidden
    on {{ same_cell('indicator_value', 'hidden') }}
    and indicator_value.indicator = hidden.indicator
order by {{ area_keys('indicator_value') }}, indicator_value.indicator

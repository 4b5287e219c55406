-- reads the catalogue; since when the values of an indicator can no longer be compared with earlier ones
with indicator_break as (

    select * from {{ source('catalogue', 'indicator_break') }}

),

indicator_value as (

    select distinct indicator from {{ ref('protected_indicator_value') }}

)

select
    indicator_break.indicator,
    indicator_break.year,
    indicator_break.reason
from indicator_break
inner join indicator_value on indicator_break.indicator = indicator_value.indicator
order by indicator_break.indicator, indicator_break.year

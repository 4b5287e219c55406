-- reads core_indicator_value, protected_indicator_index and the protection; every value that may be shown, with nothing
-- left of those that may not
with counted as (

    select * from {{ ref('core_indicator_value') }}

),

index_value as (

    select * from {{ ref('protected_indicator_index') }}

),

indicator_value as (

    select
        {{ area_keys() }},
        indicator, value, cast(null as varchar) as class, numerator, denominator, ci_low, ci_high, status, reason,
        conversion_class
    from counted
    union all
    select
        {{ area_keys() }},
        indicator, value, class, numerator, denominator, ci_low, ci_high, status, reason,
        conversion_class
    from index_value

),

hidden as (

    select * from {{ source('protection', 'cell') }}

),

area as (

    select * from {{ source('geography', 'area') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

judged as (

    select
        {{ area_keys('indicator_value') }},
        area.municipality,
        indicator_value.indicator,
        indicator_value.value,
        indicator_value.class,
        case
            when hidden.area is not null then 'suppressed'
            when indicator_value.status = 'reported' then 'published'
            else indicator_value.status
        end as status,
        indicator_value.reason,
        indicator_value.numerator,
        indicator_value.denominator,
        indicator_value.ci_low,
        indicator_value.ci_high,
        indicator_value.conversion_class
    from indicator_value
    inner join indicator on indicator_value.indicator = indicator.indicator
    -- what no address places is counted, but no rate of it means anything
    inner join area
        on {{ same_area('indicator_value', 'area') }}
        and area.is_published
        and (indicator.kind = 'count' or not area.is_unallocated)
    left join hidden
        on {{ same_cell('indicator_value', 'hidden') }}
        and indicator_value.indicator = hidden.indicator

)

select
    {{ area_keys() }},
    municipality,
    indicator,
    case when status in ('published', 'estimated', 'unreliable') then {{ rounded('value', 9) }} end as value,
    case when status in ('published', 'estimated', 'unreliable') then class end as class,
    status,
    case when status != 'suppressed' then reason end as reason,
    case when status != 'suppressed' then numerator end as numerator,
    case when status != 'suppressed' then denominator end as denominator,
    case when status in ('published', 'estimated', 'unreliable') then {{ rounded('ci_low', 9) }} end as ci_low,
    case when status in ('published', 'estimated', 'unreliable') then {{ rounded('ci_high', 9) }} end as ci_high,
    case when status != 'suppressed' then conversion_class end as conversion_class
from judged

-- reads core_index_input and the protection; what goes into each index, and why an area does not: a hidden component
-- counts for nothing, or mean and deviation would tell it
with shown as (

    select distinct indicator, geography, edition, period
    from {{ ref('core_indicator_value') }}

),

input as (

    select core_index_input.*
    from {{ ref('core_index_input') }} as core_index_input
    inner join shown
        on core_index_input.component = shown.indicator
        and core_index_input.geography = shown.geography
        and core_index_input.edition = shown.edition
        and core_index_input.period = shown.period

),

hidden as (

    select * from {{ source('protection', 'cell') }}

),

hidden_component as (

    select input.indicator, input.geography, input.edition, input.level, input.area, input.period
    from input
    inner join hidden
        on {{ same_cell('input', 'hidden') }}
        and input.component = hidden.indicator
    group by input.indicator, input.geography, input.edition, input.level, input.area, input.period

)

select
    {{ area_keys('input') }},
    input.indicator,
    input.component,
    input.weight,
    input.conversion_class,
    input.status,
    case when hidden_component.area is null then input.input end as input,
    case when hidden_component.area is null then input.reason else 'hidden_input' end as reason
from input
left join hidden_component
    on input.indicator = hidden_component.indicator
    and {{ same_cell('input', 'hidden_component') }}

-- reads core_index_component and the protection; how each index value that may be shown came about
with component as (

    select * from {{ ref('core_index_component') }}

),

hidden as (

    select * from {{ source('protection', 'cell') }}

)

select
    {{ area_keys('component') }},
    component.indicator,
    component.component,
    round(component.input, 9) as input,
    component.weight,
    round(component.z, 9) as z,
    round(component.mean, 9) as mean,
    round(component.standard_deviation, 9) as standard_deviation
from component
where not exists (
    select 1
    from hidden
    where hidden.geography = component.geography
        and hidden.edition = component.edition
        and hidden.level = component.level
        and hidden.area = component.area
        and hidden.period = component.period
        and hidden.indicator in (component.indicator, component.component)
)

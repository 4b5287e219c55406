-- reads protected_index_component; how each index value came about
with component as (

    select * from {{ ref('protected_index_component') }}

)

select
    {{ area_keys() }},
    indicator,
    component,
    input,
    weight,
    z,
    mean,
    standard_deviation,
    case status when 'reported' then 'published' else status end as status,
    conversion_class
from component
order by geography, edition, level, area, period, indicator, component

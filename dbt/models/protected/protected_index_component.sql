-- reads protected_index_input; each component of an index standardised over the valid areas of a period (population
-- standard deviation, unweighted)
with input as (

    select * from {{ ref('protected_index_input') }}
    where reason is null

),

described as (

    select
        *,
        avg(input) over (partition by indicator, component, geography, edition, level, period) as mean,
        stddev_pop(input) over (partition by indicator, component, geography, edition, level, period)
            as standard_deviation
    from input

)

select
    {{ area_keys() }},
    indicator,
    component,
    input,
    weight,
    (input - mean) / nullif(standard_deviation, 0) as z,
    mean,
    standard_deviation,
    conversion_class,
    status
from described

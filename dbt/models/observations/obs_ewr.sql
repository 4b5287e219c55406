-- reads stg_ewr: residents by sex and by age band; yields one row per area, period and measure
{{ config(enabled='ewr' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_ewr') }}

),

age_span as (

    select *
    from (
        values
            ('population_under_15', 0, 15),
            ('population_under_18', 0, 18),
            ('population_15_to_64', 15, 65),
            ('population_18_to_64', 18, 65),
            ('population_65_plus', 65, 110),
            ('population_80_plus', 80, 110)
    ) as span (measure, age_from, age_to)

),

total as (

    select
        {{ observation_keys() }},
        'population' as measure,
        value,
        status
    from delivered
    where breakdown = 'total'

),

by_age as (

    select
        {{ observation_keys('delivered') }},
        age_span.measure,
        {{ complete_sum('delivered.value') }} as value,
        {{ complete_status('delivered.value', 'delivered.status') }} as status
    from delivered
    inner join age_span
        on delivered.breakdown = 'age'
        and delivered.age_from >= age_span.age_from
        and delivered.age_to <= age_span.age_to
    group by
        {{ observation_keys('delivered') }},
        age_span.measure

),

combined as (

    select * from total
    union all
    select * from by_age

)

select
    {{ observation_keys() }},
    measure,
    true as additive,
    value,
    status
from combined

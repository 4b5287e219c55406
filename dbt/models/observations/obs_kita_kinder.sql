-- reads stg_kita_kinder: a row per child in day care; yields one row per area, period and measure
{{ config(enabled='kita_kinder' in var('sources')) }}
with child as (

    select * from {{ ref('stg_kita_kinder') }}

),

counted as (

    select
        {{ observation_keys() }},
        {{ count_where('age < 3') }} as care_under_3,
        {{ count_where('age >= 3 and age < 6') }} as care_3_to_5
    from child
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', ['care_under_3', 'care_3_to_5']) }}
)

select * from observation

-- reads stg_wohngeld: a row per household; yields one row per area, period and measure
{{ config(enabled='wohngeld' in var('sources')) }}
with household as (

    select * from {{ ref('stg_wohngeld') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as housing_benefit_households,
        sum(persons) as housing_benefit_persons,
        sum({{ whole_value('amount') }}) as housing_benefit_amount
    from household
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations(
        'counted', ['housing_benefit_households', 'housing_benefit_persons', 'housing_benefit_amount']
    ) }}
)

select * from observation

-- reads stg_wohngeld: a row per household; yields what each of them adds to a sum
{{ config(enabled='wohngeld' in var('contributions')) }}
with household as (

    select * from {{ ref('stg_wohngeld') }}

)

select
    {{ observation_keys() }},
    'housing_benefit_amount' as measure,
    {{ whole_value('amount') }} as contribution
from household

-- reads stg_asylblg: a row per recipient; yields one row per area, period and measure
{{ config(enabled='asylblg' in var('sources')) }}
with recipient as (

    select * from {{ ref('stg_asylblg') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as asylum_benefits
    from recipient
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', ['asylum_benefits']) }}
)

select * from observation

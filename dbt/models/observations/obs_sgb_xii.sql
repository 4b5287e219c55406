-- reads stg_sgb_xii: a row per recipient; yields one row per area, period and measure
{{ config(enabled='sgb_xii' in var('sources')) }}
with recipient as (

    select * from {{ ref('stg_sgb_xii') }}

),

counted as (

    select
        {{ observation_keys() }},
        {{ count_where("chapter = 'subsistence' and in_institution = 'no'") }} as subsistence_outside,
        {{ count_where("chapter = 'basic_security' and in_institution = 'no'") }} as basic_security_outside,
        {{ count_where("chapter = 'basic_security' and in_institution = 'no' and age >= 65") }} as basic_security_outside_65_plus
    from recipient
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', [
        'subsistence_outside', 'basic_security_outside', 'basic_security_outside_65_plus'
    ]) }}
)

select * from observation

-- reads stg_schuluebergaenge: a row per child that leaves primary school; yields one row per area, period and measure
{{ config(enabled='schuluebergaenge' in var('sources')) }}
with pupil as (

    select * from {{ ref('stg_schuluebergaenge') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as transitions,
        {{ count_where("school_form = 'grammar_school'") }} as transitions_grammar_school
    from pupil
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', ['transitions', 'transitions_grammar_school']) }}
)

select * from observation

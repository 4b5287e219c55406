-- reads stg_schuleingangsuntersuchung: a row per examined child; yields one row per area, period and measure
{{ config(enabled='schuleingangsuntersuchung' in var('sources')) }}
with examination as (

    select * from {{ ref('stg_schuleingangsuntersuchung') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as examined,
        {{ count_where("language = 'abnormal'") }} as examined_language_abnormal,
        {{ count_where("obesity = 'yes'") }} as examined_obesity,
        {{ count_where("booklet = 'yes'") }} as examined_booklet,
        {{ count_where("check_8 = 'yes' and check_9 = 'yes'") }} as examined_checks_complete
    from examination
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', [
        'examined', 'examined_language_abnormal', 'examined_obesity', 'examined_booklet',
        'examined_checks_complete'
    ]) }}
)

select * from observation

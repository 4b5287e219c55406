-- reads stg_hilfen_zur_erziehung: a row per case; yields one row per area, period and measure
{{ config(enabled='hilfen_zur_erziehung' in var('sources')) }}
with help_case as (

    select * from {{ ref('stg_hilfen_zur_erziehung') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as help_cases,
        {{ count_where("kind != 'counselling'") }} as help_cases_without_counselling,
        {{ count_where("kind != 'counselling' and age < 21") }} as help_cases_without_counselling_under_21
    from help_case
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', [
        'help_cases', 'help_cases_without_counselling', 'help_cases_without_counselling_under_21'
    ]) }}
)

select * from observation

-- reads stg_einwohner: a row per registered person; yields one row per area, period and measure
{{ config(enabled='einwohner' in var('sources')) }}
{%- set ages = {
    'population_under_3': (0, 3),
    'population_3_to_5': (3, 6),
    'population_under_6': (0, 6),
    'population_under_15': (0, 15),
    'population_under_18': (0, 18),
    'population_under_20': (0, 20),
    'population_under_21': (0, 21),
    'population_15_to_64': (15, 65),
    'population_18_to_64': (18, 65),
    'population_20_to_64': (20, 65),
    'population_65_plus': (65, 999),
    'population_80_plus': (80, 999),
} %}
{%- set others = [
    'population', 'population_german_18_plus', 'population_under_retirement_age', 'population_working_age', 'population_female',
    'population_foreign', 'population_non_eu', 'population_migration', 'age_sum'
] %}
with resident as (

    select * from {{ ref('stg_einwohner') }}
    where residence = 'main'

),

age_bound as (

    select * from {{ source('catalogue', 'age_bound') }}
    where name = 'retirement_age'

),

counted as (

    select
        {{ observation_keys('resident') }},
        count(*) as population,
        {%- for measure, (age_from, age_to) in ages.items() %}
        {{ count_where(
            'resident.age_in_months >= ' ~ 12 * age_from ~ ' and resident.age_in_months < ' ~ 12 * age_to
        ) }} as {{ measure }},
        {%- endfor %}
        {{ count_where("resident.age_in_months >= 216 and resident.nationality = 'german'") }}
            as population_german_18_plus,
        {{ count_where('resident.age_in_months < age_bound.age_in_months') }} as population_under_retirement_age,
        {{ count_where(
            'resident.age_in_months >= 180 and resident.age_in_months < age_bound.age_in_months'
        ) }} as population_working_age,
        {{ count_where("resident.sex = 'female'") }} as population_female,
        {{ count_where("resident.nationality in ('eu', 'other')") }} as population_foreign,
        {{ count_where("resident.nationality = 'other'") }} as population_non_eu,
        {{ count_where("resident.migration in ('german_with_migration', 'foreign')") }} as population_migration,
        sum(floor(resident.age_in_months / 12.0)) as age_sum
    from resident
    inner join age_bound
        on {{ period_year('resident.period') }} between age_bound.year_from and age_bound.year_to
    group by {{ observation_keys('resident') }}

),

observation as (
    {{ counts_as_observations('counted', others + ages.keys() | list) }}
)

select * from observation

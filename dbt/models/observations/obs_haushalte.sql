-- reads stg_haushalte: numbers of households per address; yields one row per area, period and measure
{{ config(enabled='haushalte' in var('sources')) }}
{%- set delivered = [
    'households', 'households_size_1', 'households_size_2', 'households_size_3', 'households_size_4',
    'households_size_5_plus', 'households_children_0', 'households_children_1', 'households_children_2',
    'households_children_3_plus', 'households_single_parent', 'households_couple_without_children',
    'households_couple_with_children', 'households_other', 'households_other_adult_children',
    'households_single_under_35', 'households_single_35_to_64', 'households_single_65_plus'
] %}
with address as (

    select * from {{ ref('stg_haushalte') }}

),

counted as (

    select
        {{ observation_keys() }},
        {%- for measure in delivered %}
        sum({{ measure }}) as {{ measure }},
        {%- endfor %}
        sum(households_children_1 + households_children_2 + households_children_3_plus) as households_with_children
    from address
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', delivered + ['households_with_children']) }}
)

select * from observation

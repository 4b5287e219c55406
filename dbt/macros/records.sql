{# How many records meet a condition; one that cannot be decided does not. #}
{% macro count_where(condition) -%}
    sum(case when {{ condition }} then 1 else 0 end)
{%- endmacro %}

{# Observations out of counts in columns: one row per area, period and measure, each named like its column. #}
{% macro counts_as_observations(relation, measures) -%}
    {%- for measure in measures %}
    select
        {{ observation_keys() }},
        '{{ measure }}' as measure,
        true as additive,
        cast({{ measure }} as double) as value,
        'reported' as status
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Whether the key stands for what lies in no area of a municipality. #}
{% macro is_unallocated(area) -%}
    {{ area }} like '%-ohne'
{%- endmacro %}

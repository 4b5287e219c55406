{# The columns every observation model begins with: where it is from, where and when it is about. #}
{% macro observation_keys(relation=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {%- for name in ['source', 'delivery', 'municipality', 'geography', 'edition', 'level', 'area', 'period', 'reference_date'] %}
    {{ prefix }}{{ name }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# A sum that exists only where every part does: missing is never 0. #}
{% macro complete_sum(value) -%}
    case when count(*) = count({{ value }}) then sum({{ value }}) end
{%- endmacro %}

{# The status of such a sum: one hidden part makes it hidden, one missing part missing. #}
{% macro complete_status(value, status) -%}
    case
        when count(*) = count({{ value }}) then 'reported'
        when max(case when {{ status }} = 'suppressed' then 1 else 0 end) = 1 then 'suppressed'
        else 'missing'
    end
{%- endmacro %}

{# A value in whole units: sums of values are whole numbers, and areas add up to theirs. #}
{% macro whole_value(value) -%}
    cast(round({{ value }}) as bigint)
{%- endmacro %}

{# Single contributions to sums of values, of the sources that are judged by dominance. #}
{% macro all_contributions() -%}
    {%- for source in var('contributions') %}
    select {{ observation_keys() }}, measure, contribution
    from {{ ref('obs_' ~ source ~ '_contribution') }}
    union all
    {%- endfor %}
    select
        null as source, null as delivery, null as municipality, cast(null as varchar) as geography, null as edition,
        null as level, cast(null as varchar) as area, null as period, cast(null as date) as reference_date,
        cast(null as varchar) as measure, cast(null as bigint) as contribution
    where false
{%- endmacro %}

{# The observations of all sources of the region that is built. #}
{% macro all_observations() -%}
    {%- for source in var('sources') %}
    select
        {{ observation_keys() }},
        measure, additive, value, status
    from {{ ref('obs_' ~ source) }}
    {{ 'union all' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Where and when a value is about. #}
{% macro area_keys(relation=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {%- for name in ['geography', 'edition', 'level', 'area', 'period', 'reference_date'] %}
    {{ prefix }}{{ name }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Whether a period lies in the span of years a declaration is about. #}
{% macro in_declared_years(declaration, period) -%}
    {{ period_year(period) }} between {{ declaration }}.year_from and {{ declaration }}.year_to
{%- endmacro %}

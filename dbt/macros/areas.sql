{# Where and when a value is about; `level` and `area` may come from another relation. #}
{% macro area_keys(relation=none, level=none, area=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {%- set given = {'level': level, 'area': area} -%}
    {%- for name in ['geography', 'edition', 'level', 'area', 'period', 'reference_date'] %}
    {%- if given.get(name) %}
    {{ given[name] if '.' in given[name] else given[name] ~ '.' ~ name }} as {{ name }}
    {%- else %}
    {{ prefix }}{{ name }}
    {%- endif -%}
    {{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Two relations speak of the same area. #}
{% macro same_area(left, right) -%}
    {{ left }}.geography = {{ right }}.geography
        and {{ left }}.edition = {{ right }}.edition
        and {{ left }}.level = {{ right }}.level
        and {{ left }}.area = {{ right }}.area
{%- endmacro %}

{# Two relations speak of the same area and period. #}
{% macro same_cell(left, right) -%}
    {{ same_area(left, right) }}
        and {{ left }}.period = {{ right }}.period
{%- endmacro %}

{# Two relations speak of the same area and day: figures of different sources meet here. #}
{% macro same_day(left, right) -%}
    {{ same_area(left, right) }}
        and {{ left }}.reference_date = {{ right }}.reference_date
{%- endmacro %}

{# Whether a period lies in the span of years a declaration is about. #}
{% macro in_declared_years(declaration, period) -%}
    {{ period_year(period) }} between {{ declaration }}.year_from and {{ declaration }}.year_to
{%- endmacro %}

{# What a time series is about: an indicator of an area. #}
{% macro series_keys(relation=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {%- for name in ['geography', 'edition', 'level', 'area', 'indicator'] %}
    {{ prefix }}{{ name }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Two relations speak of the same series. #}
{% macro same_series(left, right) -%}
    {{ same_area(left, right) }}
        and {{ left }}.indicator = {{ right }}.indicator
{%- endmacro %}

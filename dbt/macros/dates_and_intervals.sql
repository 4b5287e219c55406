{# The same day some years before. #}
{% macro years_before(day, years) -%}
    cast({{ day }} - to_years(cast({{ years }} as integer)) as date)
{%- endmacro %}

{# The year of an ISO 8601 period. #}
{% macro period_year(period) -%}
    cast(substr({{ period }}, 1, 4) as integer)
{%- endmacro %}

{#
    One bound of the Wilson score interval of a proportion at 95 %, in the indicator's unit (Wilson 1927); none where
    two sources disagree and the part is more than the whole.
#}
{% macro wilson_bound(numerator, denominator, factor, sign) -%}
    {%- set z = '1.959963984540054' -%}
    case when {{ numerator }} <= {{ denominator }} then {{ factor }} * (
        {{ numerator }} + {{ z }} * {{ z }} / 2
        {{ sign }} {{ z }} * sqrt(
            {{ numerator }} * ({{ denominator }} - {{ numerator }}) / nullif({{ denominator }}, 0) + {{ z }} * {{ z }} / 4
        )
    ) / ({{ denominator }} + {{ z }} * {{ z }}) end
{%- endmacro %}

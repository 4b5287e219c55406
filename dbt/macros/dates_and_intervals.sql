{# The same day some years before. #}
{% macro years_before(day, years) -%}
    cast({{ day }} - to_years(cast({{ years }} as integer)) as date)
{%- endmacro %}

{# Months since the year 0: how far two days are apart. #}
{% macro month_number(day) -%}
    (extract(year from {{ day }}) * 12 + extract(month from {{ day }}))
{%- endmacro %}

{# The year of an ISO 8601 period. #}
{% macro period_year(period) -%}
    cast(substr({{ period }}, 1, 4) as integer)
{%- endmacro %}

{#
    One bound of the interval at 95 % in the indicator's unit, by the method that follows from its declaration:
    wilson  a part of a whole (Wilson 1927); where two sources disagree and the part is more than the whole, that of
            everybody, up to the value;
    byar    events in a population, the count a Poisson variable (Byar's approximation, in Breslow and Day 1987);
    ratio   two groups that do not overlap: the Wilson bounds of their share in the sum, as odds.
#}
{% macro interval_bound(method, numerator, denominator, factor, sign) -%}
    {%- set part = 'least(' ~ numerator ~ ', ' ~ denominator ~ ')' -%}
    {%- set excess = factor ~ ' * greatest(' ~ numerator ~ ' - ' ~ denominator ~ ', 0) / nullif(' ~ denominator ~ ', 0)' -%}
    case {{ method }}
        when 'wilson' then {{ wilson_bound(part, denominator, factor, sign) }}{% if sign == '+' %} + {{ excess }}{% endif %}
        when 'byar' then {{ byar_bound(numerator, denominator, factor, sign) }}
        when 'ratio' then {{ ratio_bound(numerator, denominator, factor, sign) }}
    end
{%- endmacro %}

{# Byar's bound: the upper one counts one event more. #}
{% macro byar_bound(numerator, denominator, factor, sign) -%}
    {%- set z = '1.959963984540054' -%}
    {%- set events = numerator if sign == '-' else '(' ~ numerator ~ ' + 1)' -%}
    {{ factor }} * coalesce(
        {{ events }} * power(1 - 1 / nullif(9.0 * {{ events }}, 0) {{ sign }} {{ z }} / nullif(3 * sqrt({{ events }}), 0), 3),
        0
    ) / nullif({{ denominator }}, 0)
{%- endmacro %}

{% macro ratio_bound(numerator, denominator, factor, sign) -%}
    {%- set share = wilson_bound(numerator, '(' ~ numerator ~ ' + ' ~ denominator ~ ')', '1.0', sign) -%}
    case when {{ denominator }} > 0 then {{ factor }} * ({{ share }}) / nullif(1 - ({{ share }}), 0) end
{%- endmacro %}

{#
    Whether a value is not to be relied upon: few people or events, nobody or everybody of a whole, or an interval that
    is too wide, in the indicator's unit or, unless it is narrow anyway, in relation to the value or to the rest.
#}
{% macro is_unreliable(value, numerator, denominator, low, high, indicator) -%}
    (
        coalesce({{ denominator }} < {{ indicator }}.minimum_denominator, false)
        or coalesce({{ numerator }} < {{ indicator }}.minimum_numerator, false)
        or {{ indicator }}.interval = 'wilson' and ({{ numerator }} = 0 or {{ numerator }} >= {{ denominator }})
        or coalesce({{ high }} - {{ low }} >= {{ indicator }}.widest_interval, false)
        or coalesce({{ high }} - {{ low }} > {{ indicator }}.narrow_interval and (
            {{ high }} - {{ low }} > {{ indicator }}.widest_relative_interval * {{ value }}
            or {{ indicator }}.interval = 'wilson'
            and {{ high }} - {{ low }} > {{ indicator }}.widest_relative_interval * ({{ indicator }}.factor - {{ value }})
        ), false)
    )
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

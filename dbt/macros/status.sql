{# How far a value that there is may be trusted, as a number: reported, estimated, unreliable. #}
{% macro status_rank(status) -%}
    case {{ status }} when 'unreliable' then 2 when 'estimated' then 1 else 0 end
{%- endmacro %}

{% macro status_of_rank(rank) -%}
    case {{ rank }} when 2 then 'unreliable' when 1 then 'estimated' else 'reported' end
{%- endmacro %}

{# The status of a value formed of two others: the worse one. #}
{% macro worse_status(one, other) -%}
    {{ status_of_rank('greatest(' ~ status_rank(one) ~ ', ' ~ status_rank(other) ~ ')') }}
{%- endmacro %}

{# The status of a sum of values that there are: the worst one of its parts. #}
{% macro worst_status(status) -%}
    {{ status_of_rank('max(' ~ status_rank(status) ~ ')') }}
{%- endmacro %}

{# A number with so many decimals, and no negative zero. #}
{% macro rounded(value, decimals) -%}
    case when round({{ value }}, {{ decimals }}) = 0 then cast(0 as double) else round({{ value }}, {{ decimals }}) end
{%- endmacro %}

{# The worse of two reliability classes; a figure that was not converted has none. #}
{% macro worse_class(one, other) -%}
    greatest(coalesce({{ one }}, {{ other }}), coalesce({{ other }}, {{ one }}))
{%- endmacro %}

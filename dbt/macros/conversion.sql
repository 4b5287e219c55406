{# The worse of two reliability classes; one that was not converted has none. #}
{% macro worse_class(one, other) -%}
    greatest(coalesce({{ one }}, {{ other }}), coalesce({{ other }}, {{ one }}))
{%- endmacro %}

{# Whether a converted figure may stand on its own: the last class may not. #}
{% macro stands_alone(conversion_class) -%}
    coalesce({{ conversion_class }}, 'A') != 'D'
{%- endmacro %}

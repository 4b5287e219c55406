{# The worse of two reliability classes; a figure that was not converted has none. #}
{% macro worse_class(one, other) -%}
    greatest(coalesce({{ one }}, {{ other }}), coalesce({{ other }}, {{ one }}))
{%- endmacro %}

{#
    Variance of the part of a source area's figure that falls into a target area. Like lives beside like, so that not
    each person falls on its own: of `mass` people among whom `value` were counted x (1 - x/M) w (1-w) (1 + (M-1) ρ);
    at least a tenth of them count as not among them, for the two are never counted in one moment by the same rules.
    Where the mass is unknown the beta-binomial x w (1-w) (1 + (x-1) ρ).
#}
{% macro variance_of_piece(value, weight, mass, overdispersion) -%}
    {{ value }} * {{ weight }} * (1 - {{ weight }}) * case
        when {{ mass }} is null then 1 + greatest({{ value }} - 1, 0) * {{ overdispersion }}
        else greatest(1 - {{ value }} / nullif({{ mass }}, 0), 0.1) * (1 + greatest({{ mass }} - 1, 0) * {{ overdispersion }})
    end
{%- endmacro %}

{#
    The same for a share of the people a figure is about, without their number: of `size` people in a source area; in
    relation to those who are carried over it is by how much the variance of the share exceeds chance.
#}
{% macro spread_of_piece(weight, size, overdispersion) -%}
    {{ size }} * {{ weight }} * (1 - {{ weight }}) * (1 + greatest({{ size }} - 1, 0) * {{ overdispersion }})
{%- endmacro %}

{# How unlike areas are beyond chance, by moments: an aggregate over counts, the people they are among, and a rate. #}
{% macro overdispersion_between(value, mass, rate) -%}
    {%- set others = 'greatest(1 - ' ~ rate ~ ', 0.1)' -%}
    coalesce(
        sum(power({{ value }} - {{ rate }} * {{ mass }}, 2) - {{ mass }} * {{ rate }} * {{ others }})
        / nullif(sum({{ mass }} * greatest({{ mass }} - 1, 0) * {{ rate }} * {{ others }}), 0),
        0
    )
{%- endmacro %}

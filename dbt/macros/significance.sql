{# What of a count or an expectation goes into a likelihood ratio: o ln(o / e), nothing where nothing was counted. #}
{% macro log_ratio_term(observed, expected) -%}
    case when {{ observed }} > 0 then ({{ observed }}) * ln(nullif(greatest({{ observed }}, 0), 0) / nullif({{ expected }}, 0)) else 0 end
{%- endmacro %}

{#
    A count moved half a person towards what is expected of it: tails of discrete counts, as Yates corrects them.
#}
{% macro corrected_count(count, expected) -%}
    ({{ count }} - sign({{ count }} - {{ expected }}) * least(0.5, abs({{ count }} - {{ expected }})))
{%- endmacro %}

{#
    How far a part of a whole differs from the rest of it, as a normal score: the signed root of the likelihood ratio of
    the table of two by two that area and rest form. Both follow from the numbers of the area and of the whole alone.
    Null where the area is the whole, or the numbers of two sources contradict each other.
#}
{% macro score_of_part(part, base, whole_part, whole_base) -%}
    {%- set expected = '(' ~ whole_part ~ ' * ' ~ base ~ ' / nullif(' ~ whole_base ~ ', 0))' -%}
    {%- set moved = corrected_count(part, expected) -%}
    {%- set other = '(' ~ whole_base ~ ' - ' ~ base ~ ')' -%}
    {%- set rest = '(' ~ whole_part ~ ' - ' ~ expected ~ ')' -%}
    case when {{ part }} <= {{ base }} and {{ part }} <= {{ whole_part }} and {{ base }} < {{ whole_base }}
            and {{ whole_part }} - {{ part }} <= {{ other }} then
        sign({{ part }} - {{ expected }}) * sqrt(greatest(2 * (
            {{ log_ratio_term(moved, expected) }}
            + {{ log_ratio_term('(' ~ base ~ ' - ' ~ moved ~ ')', '(' ~ base ~ ' - ' ~ expected ~ ')') }}
            + {{ log_ratio_term('(' ~ whole_part ~ ' - ' ~ moved ~ ')', rest) }}
            + {{ log_ratio_term('(' ~ other ~ ' - ' ~ whole_part ~ ' + ' ~ moved ~ ')', '(' ~ other ~ ' - ' ~ rest ~ ')') }}
        ), 0))
    end
{%- endmacro %}

{# The same for events: given all of them, those of the area are a binomial variable with its share of the people. #}
{% macro score_of_events(part, base, whole_part, whole_base) -%}
    {%- set expected = '(' ~ whole_part ~ ' * ' ~ base ~ ' / nullif(' ~ whole_base ~ ', 0))' -%}
    {%- set moved = corrected_count(part, expected) -%}
    case when {{ part }} <= {{ whole_part }} and {{ base }} < {{ whole_base }} then
        sign({{ part }} - {{ expected }}) * sqrt(greatest(2 * (
            {{ log_ratio_term(moved, expected) }}
            + {{ log_ratio_term('(' ~ whole_part ~ ' - ' ~ moved ~ ')', '(' ~ whole_part ~ ' - ' ~ expected ~ ')') }}
        ), 0))
    end
{%- endmacro %}

{# The probability of a normal score at least as far from 0 (rational approximation of Press et al., within 1.2e-7). #}
{% macro two_sided_probability(score) -%}
    {%- set x = '(abs(' ~ score ~ ') / sqrt(2.0))' -%}
    {%- set t = '(1.0 / nullif(1.0 + 0.5 * ' ~ x ~ ', 0))' -%}
    {%- set terms = [
        '-1.26551223', '1.00002368', '0.37409196', '0.09678418', '-0.18628806', '0.27886807', '-1.13520398',
        '1.48851587', '-0.82215223', '0.17087277',
    ] -%}
    least(1.0, {{ t }} * exp(-1.0 * {{ x }} * {{ x }} + {% for term in terms %}{{ term }}{{ ' + ' ~ t ~ ' * (' if not loop.last }}{% endfor %}{{ ')' * 9 }}))
{%- endmacro %}

{#
    Benjamini and Hochberg (1995): the smallest false discovery rate at which a test of a family is still a discovery.
    First the place of each test in its family, then, out of `p_rank` and `tests`, the adjusted probability.
#}
{% macro rank_in_family(probability, family, order) -%}
    row_number() over (partition by {{ family }} order by {{ probability }} nulls last, {{ order }}) as p_rank,
        count({{ probability }}) over (partition by {{ family }}) as tests
{%- endmacro %}

{% macro adjusted_probability(probability, family) -%}
    min({{ probability }} * tests / nullif(p_rank, 0)) over (
            partition by {{ family }} order by p_rank desc rows between unbounded preceding and current row
        )
{%- endmacro %}

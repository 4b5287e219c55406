{# Rows with a value the status forbids, or without one it promises. #}
{% test value_only_where_status_allows(model) %}
select *
from {{ model }}
where (value is null) != (status in ('suppressed', 'missing', 'not_applicable'))
{% endtest %}

-- kind reported_share: the source's own figure where it delivered one, else formed from the recovered numerators
with indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where kind = 'reported_share'

),

recovered as (

    select * from {{ ref('core_recovered_count') }}

),

counted as (

    select * from {{ ref('core_shown_count') }}

),

observation as (

    select * from {{ ref('core_observation') }}

),

combined as (

    select
        {{ area_keys('recovered') }},
        indicator.indicator,
        indicator.factor,
        observation.value as reported_value,
        observation.area is not null as was_reported,
        observation.status as reported_status,
        recovered.value as numerator,
        denominator.value as denominator,
        recovered.reason,
        denominator.status as denominator_status,
        denominator.conversion_class
    from indicator
    inner join recovered
        on indicator.reported_measure = recovered.measure
        and {{ in_declared_years('indicator', 'recovered.period') }}
    left join observation
        on recovered.measure = observation.measure
        and {{ same_cell('recovered', 'observation') }}
    left join counted as denominator
        on indicator.denominator = denominator.measure
        and {{ same_day('recovered', 'denominator') }}

),

divided as (

    select
        *,
        factor * numerator / nullif(denominator, 0) as counted_value
    from combined

),

chosen as (

    select
        *,
        case when was_reported then reported_value else counted_value end as value
    from divided

)

select
    {{ area_keys() }},
    indicator,
    value,
    counted_value,
    case when value is not null then numerator end as numerator,
    denominator,
    case when value is not null then {{ wilson_bound('numerator', 'denominator', 'factor', '-') }} end as ci_low,
    case when value is not null then {{ wilson_bound('numerator', 'denominator', 'factor', '+') }} end as ci_high,
    case
        when was_reported then reported_status
        when value is not null then {{ worse_status('denominator_status', 'denominator_status') }}
        else 'missing'
    end as status,
    case when value is null then case when was_reported then 'missing_in_source' else reason end end as reason,
    case when not was_reported then conversion_class end as conversion_class
from chosen

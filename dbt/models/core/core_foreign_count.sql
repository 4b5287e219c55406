-- counts of tables on other boundaries than the reporting edition's, where nobody delivered that day's on those as well
with observation as (

    select * from {{ ref('core_observation') }}
    where additive and not is_record

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

measure as (

    select * from {{ source('catalogue', 'measure') }}

),

delivered as (

    select distinct observation.measure, observation.reference_date
    from observation
    inner join region
        on observation.geography = region.geography
        and observation.edition = region.reporting_edition

)

select
    {{ area_keys('observation') }},
    observation.source,
    observation.measure,
    measure.universe,
    observation.value,
    observation.status
from observation
inner join measure on observation.measure = measure.measure
left join delivered
    on observation.measure = delivered.measure
    and observation.reference_date = delivered.reference_date
where delivered.measure is null

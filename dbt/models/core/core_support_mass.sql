-- how many of each universe live on each support area, by day: the weights of crosswalks; leaves the warehouse
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/support/mass.parquet') }}
with observation as (

    select * from {{ ref('core_observation') }}
    where is_record and additive

),

basis_measure as (

    select * from {{ source('catalogue', 'basis_measure') }}

)

select
    basis_measure.basis,
    observation.reference_date,
    observation.area,
    greatest(sum(basis_measure.factor * observation.value), 0) as mass
from observation
inner join basis_measure on observation.measure = basis_measure.measure
where not {{ is_unallocated('observation.area') }}
group by basis_measure.basis, observation.reference_date, observation.area
order by basis_measure.basis, observation.reference_date, observation.area

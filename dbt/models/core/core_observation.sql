-- every observation of every source in force; records, which were placed on no edition's areas, on the areas of the
-- reporting edition's finest level
with observation as (
    {{ all_observations() }}
),

region as (

    select * from {{ source('catalogue', 'region') }}

),

declared_source as (

    select * from {{ source('catalogue', 'source') }}

),

finest_level as (

    select distinct geography, edition, level
    from {{ source('geography', 'area') }}
    where level_rank = 0

)

select
    observation.source,
    observation.delivery,
    observation.municipality,
    observation.geography,
    case when declared_source.shape = 'records' then finest_level.edition else observation.edition end as edition,
    case when declared_source.shape = 'records' then finest_level.level else observation.level end as level,
    observation.area,
    observation.period,
    observation.reference_date,
    observation.measure,
    observation.additive,
    observation.value,
    observation.status,
    declared_source.shape = 'records' as is_record
from observation
inner join declared_source on observation.source = declared_source.source
cross join region
left join finest_level
    on observation.geography = finest_level.geography
    and region.reporting_edition = finest_level.edition

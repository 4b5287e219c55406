-- counts of records by what an area of the reporting edition shares with one of another edition, as a file that the
-- disclosure control reads: earlier releases may have shown the same people on the other one. Confidential.
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/core/core_disclosure_atom.parquet') }}
with observation as (

    select * from {{ ref('core_observation') }}
    where is_record and additive

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

-- the area of the finest published level in which a block lies, by edition
placed as (

    select ancestor.geography, ancestor.edition, ancestor.area as block, ancestor.ancestor as area
    from {{ source('geography', 'area_ancestor') }} as ancestor
    inner join region
        on ancestor.geography = region.geography
        and ancestor.ancestor_level = region.finest_level
    where ancestor.level_rank = 0

)

select
    older.geography,
    older.edition,
    older.area,
    reporting.area as reporting_area,
    observation.reference_date,
    observation.measure,
    sum(observation.value) as value
from observation
cross join region
inner join placed as reporting
    on observation.geography = reporting.geography
    and observation.edition = reporting.edition
    and observation.area = reporting.block
inner join placed as older
    on reporting.geography = older.geography
    and reporting.block = older.block
    and reporting.edition != older.edition
where observation.edition = region.reporting_edition
group by
    older.geography, older.edition, older.area, reporting.area, observation.reference_date, observation.measure

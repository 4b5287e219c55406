-- what the two largest contributors add to each sum of values, on every published level, as a file that the disclosure
-- control reads: confidential
{{ config(materialized='external', location=env_var('SOZIALRAUM_REGION_DATA') ~ '/core/core_largest_contribution.parquet') }}
with contribution as (
    {{ all_contributions() }}
),

region as (

    select * from {{ source('catalogue', 'region') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where is_published

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

-- records lie on the finest areas of the reporting edition
placed as (

    select
        area.geography,
        area.edition,
        area.level,
        area.area,
        contribution.reference_date,
        contribution.measure,
        contribution.contribution
    from contribution
    cross join region
    inner join ancestor
        on contribution.geography = ancestor.geography
        and region.reporting_edition = ancestor.edition
        and contribution.area = ancestor.area
        and ancestor.level_rank = 0
    inner join area
        on ancestor.geography = area.geography
        and ancestor.edition = area.edition
        and ancestor.ancestor_level = area.level
        and ancestor.ancestor = area.area

),

ranked as (

    select
        *,
        row_number() over (
            partition by geography, edition, level, area, reference_date, measure
            order by contribution desc
        ) as contribution_rank
    from placed

)

select
    geography,
    edition,
    level,
    area,
    reference_date,
    measure,
    max(case when contribution_rank = 1 then contribution end) as largest,
    coalesce(max(case when contribution_rank = 2 then contribution end), 0) as second_largest
from ranked
group by geography, edition, level, area, reference_date, measure

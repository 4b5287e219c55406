-- where no part is missing, all areas of a level together hold what the source areas hold; the same in every municipality
-- that the source areas nest in
with conversion as (

    select * from {{ ref('core_conversion') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

area as (

    select * from {{ source('geography', 'area') }}

),

source_total as (

    select
        counted.geography, counted.edition, counted.level, counted.source, counted.period, counted.measure,
        counted.municipality, sum(counted.value) as total, count(*) = count(counted.value) as is_complete
    from (
        select foreign_count.*, area.municipality
        from {{ ref('core_foreign_count') }} as foreign_count
        inner join area on {{ same_area('foreign_count', 'area') }}
        union all
        select foreign_count.*, cast(null as varchar) as municipality
        from {{ ref('core_foreign_count') }} as foreign_count
    ) as counted
    group by
        counted.geography, counted.edition, counted.level, counted.source, counted.period, counted.measure,
        counted.municipality

),

target_total as (

    select
        located.source_geography, located.source_edition, located.source_level, located.source, located.level,
        located.period, located.measure, located.municipality,
        sum(located.value) as total, count(*) = count(located.value) as is_complete
    from (
        select conversion.*, area.municipality
        from conversion
        inner join area on {{ same_area('conversion', 'area') }}
        cross join region
        where conversion.source_geography != region.geography and area.municipality is not null
        union all
        select conversion.*, cast(null as varchar) as municipality from conversion
    ) as located
    group by
        located.source_geography, located.source_edition, located.source_level, located.source, located.level,
        located.period, located.measure, located.municipality

)

select target_total.*, source_total.total as source_total
from target_total
inner join source_total
    on target_total.source_geography = source_total.geography
    and target_total.source_edition = source_total.edition
    and target_total.source_level = source_total.level
    and target_total.source = source_total.source
    and target_total.period = source_total.period
    and target_total.measure = source_total.measure
    and coalesce(target_total.municipality, '') = coalesce(source_total.municipality, '')
where target_total.is_complete
    and source_total.is_complete
    and abs(target_total.total - source_total.total) > 0.000001 * greatest(source_total.total, 1)
    -- a level may take some of its areas from a source on a coarser level
    and target_total.source = (
        select min(other.source) from conversion as other
        where other.level = target_total.level
            and other.period = target_total.period
            and other.measure = target_total.measure
    )
    and not exists (
        select 1 from conversion as other
        where other.level = target_total.level
            and other.period = target_total.period
            and other.measure = target_total.measure
            and other.source != target_total.source
    )

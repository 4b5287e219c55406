-- slivers, sources without a target, split sources and the round trip are told of every crosswalk that was needed;
-- a source area without any target is an error; depends on {{ ref('core_conversion') }}
with needed as (

    select distinct geography, edition, level, universe, reference_date
    from {{ ref('core_foreign_count') }}

),

finding as (

    select * from {{ source('crosswalk', 'finding') }}

),

counted as (

    select
        needed.geography, needed.edition, needed.level, needed.universe, needed.reference_date,
        count(case when finding.finding in ('slivers', 'sources_without_target', 'sources_split', 'round_trip_error')
            then finding.number end) as told,
        max(case when finding.finding = 'sources_without_target' then finding.number end) as without_target
    from needed
    left join finding
        on needed.geography = finding.source_geography
        and needed.edition = finding.source_edition
        and needed.level = finding.source_level
        and needed.universe = finding.universe
        and needed.reference_date = finding.reference_date
    group by needed.geography, needed.edition, needed.level, needed.universe, needed.reference_date

)

select * from counted
where told != 4 or without_target > 0

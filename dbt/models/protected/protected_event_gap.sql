-- reads protected_indicator_value; the years in which nothing took place that an indicator speaks of:
-- a year without an election has no turnout, and says so for every area
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}
    where is_of_events

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where is_published and not is_unallocated

),

reported_year as (

    select distinct extract(year from reference_date) as year
    from indicator_value

),

covered as (

    select distinct indicator, extract(year from reference_date) as year
    from indicator_value

),

gap as (

    select
        indicator.indicator,
        cast(reported_year.year as varchar) as period,
        cast(concat(cast(reported_year.year as varchar), '-12-31') as date) as reference_date
    from indicator
    inner join reported_year on reported_year.year between indicator.year_from and indicator.year_to
    left join covered
        on indicator.indicator = covered.indicator
        and reported_year.year = covered.year
    where covered.indicator is null

)

select
    area.geography,
    area.edition,
    area.level,
    area.area,
    area.municipality,
    gap.period,
    gap.reference_date,
    gap.indicator,
    'not_applicable' as status,
    'no_event' as reason
from gap
cross join region
inner join area
    on region.geography = area.geography
    and region.reporting_edition = area.edition
    and gap.reference_date >= coalesce(area.exists_from, gap.reference_date)
    and gap.reference_date <= coalesce(area.exists_to, gap.reference_date)

-- reads the catalogue and protected_indicator_value; the region itself, one row
with region as (

    select * from {{ source('catalogue', 'region') }}

),

-- the one definition of the newest day: the last one with a value that is shown, on the edition reported on
latest as (

    select max(shown.reference_date) as reference_date
    from {{ ref('protected_indicator_value') }} as shown
    inner join region
        on shown.geography = region.geography
        and shown.edition = region.reporting_edition
    where shown.value is not null

)

select
    region.region,
    region.name,
    region.crs,
    region.geography,
    region.reporting_edition,
    region.finest_level,
    region.licence_note,
    latest.reference_date as latest_reference_date,
    region.false_discovery_rate
from region
cross join latest

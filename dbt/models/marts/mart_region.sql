-- reads the catalogue; the region itself, one row
with region as (

    select * from {{ source('catalogue', 'region') }}

)

select region, name, crs, geography, reporting_edition, finest_level, licence_note
from region

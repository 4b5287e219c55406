-- reads the crosswalks; what is to be known about each of them, one number a row
with finding as (

    select * from {{ source('crosswalk', 'finding') }}

)

select source_geography, source_edition, source_level, universe, reference_date, finding, basis, number
from finding
order by source_geography, source_edition, source_level, universe, reference_date, finding, basis

-- reads the catalogue; the sources and on what terms they are used
with declared_source as (

    select * from {{ source('catalogue', 'source') }}

)

select source, title, owner, description, licence, origin, legal_basis, purpose, cadence, due_days, geography, publication
from declared_source
order by source

-- reads the catalogue and the geography; what residents said about an area, as the organiser words it
with result as (

    select * from {{ source('catalogue', 'participation') }}

),

area as (

    select * from {{ source('geography', 'area') }}

)

select
    result.participation,
    result.geography,
    result.edition,
    result.level,
    result.area,
    area.name as area_name,
    result.held_on,
    result.form,
    result.title,
    result.summary,
    result.organiser,
    result.link,
    result.contact
from result
left join area
    on {{ same_area('result', 'area') }}
    and not area.is_unallocated
order by result.participation

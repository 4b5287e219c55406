-- made from the contract hilfen_zur_erziehung: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{ source('raw', 'hilfen_zur_erziehung') }}

),

in_force as (

    select delivery from {{ source('judged', 'delivery') }}
    where in_force

)

select
    delivered.delivery,
    delivered.source,
    delivered.municipality,
    delivered.geography,
    delivered.edition,
    delivered.level,
    delivered.period,
    delivered.reference_date,
    delivered.row,
    delivered.area,
    delivered.age,
    delivered.kind
from delivered
inner join in_force on delivered.delivery = in_force.delivery

-- made from the contract schuluebergaenge: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{ source('raw', 'schuluebergaenge') }}

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
    delivered.school_form
from delivered
inner join in_force on delivered.delivery = in_force.delivery

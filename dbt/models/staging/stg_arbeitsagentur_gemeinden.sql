-- made from the contract arbeitsagentur_gemeinden: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{ source('raw', 'arbeitsagentur_gemeinden') }}

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
    delivered.column_name,
    delivered.value,
    delivered.status
from delivered
inner join in_force on delivered.delivery = in_force.delivery

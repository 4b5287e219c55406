-- made from the contract asylblg: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{ source('raw', 'asylblg') }}

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
    delivered.benefit
from delivered
inner join in_force on delivered.delivery = in_force.delivery

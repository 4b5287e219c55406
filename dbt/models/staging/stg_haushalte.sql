-- made from the contract haushalte: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{ source('raw', 'haushalte') }}

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
    delivered.households,
    delivered.households_size_1,
    delivered.households_size_2,
    delivered.households_size_3,
    delivered.households_size_4,
    delivered.households_size_5_plus,
    delivered.households_children_0,
    delivered.households_children_1,
    delivered.households_children_2,
    delivered.households_children_3_plus,
    delivered.households_single_parent,
    delivered.households_couple_without_children,
    delivered.households_couple_with_children,
    delivered.households_other,
    delivered.households_other_adult_children,
    delivered.households_single_under_35,
    delivered.households_single_35_to_64,
    delivered.households_single_65_plus
from delivered
inner join in_force on delivered.delivery = in_force.delivery

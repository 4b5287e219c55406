-- recovered numerators on every level
with recovered as (

    select * from {{ ref('core_recovered_numerator') }}

),

rolled_up as (
    {{ roll_up('recovered') }}
)

select * from rolled_up

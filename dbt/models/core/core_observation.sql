-- every observation of every source in force, at the level it was delivered on
with observation as (
    {{ all_observations() }}
)

select * from observation

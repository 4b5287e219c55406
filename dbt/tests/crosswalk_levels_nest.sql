-- onto the areas and then up is the same as onto a level above at once; depends on {{ ref('core_conversion') }}
with weight as (

    select * from {{ source('crosswalk', 'weight') }}
    where source_area is not null

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

lifted as (

    select
        weight.source_geography, weight.source_edition, weight.source_level, weight.source_area, weight.universe,
        weight.reference_date, ancestor.ancestor_level as level, ancestor.ancestor as area, sum(weight.weight) as weight
    from weight
    inner join ancestor on {{ same_area('weight', 'ancestor') }}
    where weight.level_rank = weight.base_rank
    group by
        weight.source_geography, weight.source_edition, weight.source_level, weight.source_area, weight.universe,
        weight.reference_date, ancestor.ancestor_level, ancestor.ancestor

)

select weight.*
from weight
left join lifted
    on weight.source_geography = lifted.source_geography
    and weight.source_edition = lifted.source_edition
    and weight.source_level = lifted.source_level
    and weight.source_area = lifted.source_area
    and weight.universe = lifted.universe
    and weight.reference_date = lifted.reference_date
    and weight.level = lifted.level
    and weight.area = lifted.area
where lifted.weight is null or abs(weight.weight - lifted.weight) > 0.000000001

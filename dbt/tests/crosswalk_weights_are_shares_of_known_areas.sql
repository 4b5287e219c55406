-- weights lie between 0 and 1, a pair has one, and both of its areas are declared; depends on {{ ref('core_conversion') }}
with weight as (

    select * from {{ source('crosswalk', 'weight') }}

),

area as (

    select * from {{ source('geography', 'area') }}

)

select weight.source_area, weight.area, weight.weight, 'no share' as fault
from weight
where weight.weight < 0 or weight.weight > 1 or weight.weight is null
union all
select weight.source_area, weight.area, weight.weight, 'unknown target' as fault
from weight
left join area on {{ same_area('weight', 'area') }}
where area.area is null
union all
select weight.source_area, weight.area, weight.weight, 'unknown source' as fault
from weight
left join area
    on weight.source_geography = area.geography
    and weight.source_edition = area.edition
    and weight.source_level = area.level
    and weight.source_area = area.area
where area.area is null and weight.source_area is not null
union all
select source_area, area, max(weight) as weight, 'twice' as fault
from weight
where source_area is not null
group by source_geography, source_edition, source_level, source_area, universe, reference_date, level, area
having count(*) > 1

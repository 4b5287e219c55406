-- every source area goes somewhere as a whole, on each level; depends on {{ ref('core_conversion') }}
select source_geography, source_edition, source_level, source_area, universe, reference_date, level, sum(weight) as total
from {{ source('crosswalk', 'weight') }}
where source_area is not null
group by source_geography, source_edition, source_level, source_area, universe, reference_date, level
having abs(sum(weight) - 1) > 0.000000001

-- of every target area is known which share of its people the sources hold; depends on {{ ref('core_conversion') }}
select source_geography, source_edition, source_level, universe, reference_date, level, area, coverage
from {{ source('crosswalk', 'weight') }}
where coverage < -0.000000001 or coverage > 1.000000001
    or share_of_target < 0 or share_of_target > 1.000000001

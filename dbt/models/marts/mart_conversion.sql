-- reads protected_conversion; how far the figures carried over from other boundaries can be trusted
with conversion as (

    select * from {{ ref('protected_conversion') }}

)

select
    geography,
    edition,
    level,
    area,
    period,
    reference_date,
    indicator,
    part,
    conversion_class,
    source,
    source_geography,
    source_edition,
    source_level,
    basis,
    parts,
    missing_share,
    coverage,
    lower_bound,
    upper_bound,
    standard_error,
    split_share
from conversion
order by geography, edition, level, area, period, indicator, part

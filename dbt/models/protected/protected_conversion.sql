-- reads core_conversion and the protection; how the parts of each value that may be shown were carried over from other
-- boundaries. What bounds a sum tells about its single parts: of sources that are not public no bound and no error.
with conversion as (

    select * from {{ ref('core_conversion') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

part as (

    select indicator, 'numerator' as part, numerator as measure from indicator
    where numerator is not null
    union all
    select indicator, 'denominator' as part, denominator as measure from indicator
    where denominator is not null

),

declared_source as (

    select * from {{ source('catalogue', 'source') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where is_published

),

shown as (

    select
        {{ area_keys('conversion') }},
        part.indicator,
        part.part,
        conversion.source,
        conversion.source_geography,
        conversion.source_edition,
        conversion.source_level,
        conversion.basis,
        conversion.parts,
        conversion.conversion_class,
        conversion.missing_share,
        conversion.coverage,
        case when conversion.conversion_class != 'D' then conversion.lower_bound end as lower_bound,
        case when conversion.conversion_class != 'D' then conversion.upper_bound end as upper_bound,
        conversion.standard_error,
        conversion.split_share,
        declared_source.publication = 'already_public' as may_tell_all
    from conversion
    inner join part on conversion.measure = part.measure
    inner join area on {{ same_area('conversion', 'area') }}
    inner join declared_source on conversion.source = declared_source.source
    where not exists (
        select 1
        from {{ source('protection', 'cell') }} as hidden
        where hidden.geography = conversion.geography
            and hidden.edition = conversion.edition
            and hidden.level = conversion.level
            and hidden.area = conversion.area
            and hidden.period = conversion.period
            and hidden.indicator = part.indicator
    )

)

select
    {{ area_keys() }},
    indicator,
    part,
    source,
    source_geography,
    source_edition,
    source_level,
    basis,
    parts,
    conversion_class,
    {{ rounded('missing_share', 6) }} as missing_share,
    {{ rounded('coverage', 6) }} as coverage,
    case when may_tell_all then {{ rounded('lower_bound', 6) }} end as lower_bound,
    case when may_tell_all then {{ rounded('upper_bound', 6) }} end as upper_bound,
    case when may_tell_all then {{ rounded('standard_error', 6) }} end as standard_error,
    case when may_tell_all then {{ rounded('split_share', 6) }} end as split_share
from shown

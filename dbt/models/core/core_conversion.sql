-- counts carried over onto the reporting edition, with what is known about their error: the bounds that must hold, the
-- standard error of the model (see the macro), the class that follows from it, and by how much more than chance a share
-- of these people varies. How unlike the parts of a source area are is fitted where the region declares measures of known
-- split that live like these people; else the figures tell it themselves: as areas of one municipality differ, so do parts.
-- A source area without a figure leaves its targets without one, and says which share of their people is missing.
-- What an office estimated for parts of its municipality is exact for the whole of it, but no bound below that.
{%- set least_overdispersion = '0.0035' %}
with foreign_count as (

    select * from {{ ref('core_foreign_count') }}

),

weight as (

    select * from {{ source('crosswalk', 'weight') }}

),

municipality_level as (

    select distinct area.geography, area.edition, area.level_rank
    from {{ source('geography', 'area') }} as area
    inner join {{ source('catalogue', 'region') }} as region
        on area.geography = region.geography
        and area.level = region.municipality_level

),

delivered as (

    select distinct geography, edition, level, universe, source, period, reference_date, measure
    from foreign_count

),

part as (

    select
        delivered.source,
        delivered.geography as source_geography,
        delivered.edition as source_edition,
        delivered.level as source_level,
        delivered.period,
        delivered.reference_date,
        delivered.measure,
        delivered.universe,
        weight.geography,
        weight.edition,
        weight.level,
        weight.area,
        weight.source_area,
        weight.base_rank,
        weight.weight,
        weight.is_whole,
        weight.basis,
        weight.source_mass,
        weight.overdispersion,
        weight.share_of_target,
        weight.coverage,
        foreign_count.value,
        case
            when foreign_count.status = 'estimated' and weight.level_rank < municipality_level.level_rank then 1 else 0
        end as is_estimate
    from delivered
    inner join weight
        on delivered.geography = weight.source_geography
        and delivered.edition = weight.source_edition
        and delivered.level = weight.source_level
        and delivered.universe = weight.universe
        and delivered.reference_date = weight.reference_date
    inner join municipality_level
        on weight.geography = municipality_level.geography
        and weight.edition = municipality_level.edition
    left join foreign_count
        on delivered.geography = foreign_count.geography
        and delivered.edition = foreign_count.edition
        and delivered.level = foreign_count.level
        and delivered.source = foreign_count.source
        and delivered.period = foreign_count.period
        and delivered.measure = foreign_count.measure
        and weight.source_area = foreign_count.area

),

-- how many were counted of how many people, by source area
figure as (

    select distinct
        part.source, part.source_geography, part.source_edition, part.source_level, part.period, part.measure,
        part.source_area, part.value, part.source_mass, area.municipality
    from part
    inner join {{ source('geography', 'area') }} as area
        on part.source_geography = area.geography
        and part.source_edition = area.edition
        and part.source_level = area.level
        and part.source_area = area.area
    where part.value is not null and part.source_mass > 0

),

expected_figure as (

    select
        *,
        sum(value) over (
            partition by source, source_geography, source_edition, source_level, period, measure, municipality
        ) / nullif(sum(source_mass) over (
            partition by source, source_geography, source_edition, source_level, period, measure, municipality
        ), 0) as rate
    from figure

),

-- rounded up, so that no single figure can be told from it
unlikeness as (

    select
        source, source_geography, source_edition, source_level, period, measure,
        ceil(1000 * greatest(0, {{ overdispersion_between('value', 'source_mass', 'rate') }})) / 1000.0 as overdispersion
    from expected_figure
    group by source, source_geography, source_edition, source_level, period, measure

),

sized as (

    select
        part.*,
        coalesce(part.source_mass, part.value) as size,
        coalesce(part.overdispersion, greatest(coalesce(unlikeness.overdispersion, 0), {{ least_overdispersion }})) as unlike
    from part
    left join unlikeness
        on part.source = unlikeness.source
        and part.source_geography = unlikeness.source_geography
        and part.source_edition = unlikeness.source_edition
        and part.source_level = unlikeness.source_level
        and part.period = unlikeness.period
        and part.measure = unlikeness.measure

),

summed as (

    select
        source, source_geography, source_edition, source_level, base_rank,
        geography, edition, level, area, period, reference_date, measure, universe,
        count(case when weight > 0 and value is null or source_area is null then 1 end) as parts_without_value,
        sum(case when weight > 0 then weight * value else 0 end) as value,
        case when max(is_estimate) = 0 then sum(case when is_whole then value else 0 end) end as lower_bound,
        case when max(is_estimate) = 0 then sum(value) end as upper_bound,
        max(is_estimate) as is_estimate,
        sum(case when is_whole then 0 else weight * value end) as split_value,
        sum({{ variance_of_piece('value', 'weight', 'source_mass', 'unlike') }}) as variance,
        -- rounded up, so that it tells no single figure
        ceil(10 * (1 + sum({{ spread_of_piece('weight', 'size', 'unlike') }}) / nullif(sum(weight * size), 0))) / 10.0 as design_effect,
        count(case when weight > 0 and not is_whole then 1 end) as split_parts,
        count(case when weight > 0 then 1 end) as parts,
        count(case when weight > 0 then value end) as parts_with_value,
        sum(case when value is null then share_of_target else 0 end) + 1 - coalesce(max(coverage), 1) as missing_share,
        max(coverage) as coverage,
        min(basis) as first_basis,
        max(basis) as last_basis
    from sized
    group by
        source, source_geography, source_edition, source_level, base_rank,
        geography, edition, level, area, period, reference_date, measure, universe

),

-- an area takes what was delivered on its own level, else on the nearest finer one; complete sums first
ranked as (

    select
        *,
        row_number() over (
            partition by geography, edition, level, area, period, measure
            order by
                case when parts_without_value = 0 then 0 else 1 end,
                base_rank desc, source_geography, source_edition, source_level, source
        ) as preference
    from summed

),

judged as (

    select
        *,
        sqrt(variance) as standard_error,
        case
            when parts_without_value > 0 then null
            when is_estimate = 0 and (split_parts = 0 or variance = 0 and split_value = 0) then 'A'
            when sqrt(variance) <= 0.1 * value then 'B'
            when sqrt(variance) <= 0.2 * value then 'C'
            else 'D'
        end as conversion_class
    from ranked
    where preference = 1

)

select
    {{ area_keys() }},
    measure,
    universe,
    source,
    source_geography,
    source_edition,
    source_level,
    case when parts_without_value = 0 then {{ rounded('value', 6) }} end as value,
    case when parts_without_value > 0 then 'missing' when conversion_class > 'A' then 'estimated' else 'reported' end as status,
    case
        when parts_without_value > 0 then case when parts_with_value = 0 then 'not_delivered' else 'incomplete_parts' end
    end as reason,
    case when parts_without_value = 0 then lower_bound end as lower_bound,
    case when parts_without_value = 0 then upper_bound end as upper_bound,
    case when parts_without_value = 0 then standard_error end as standard_error,
    case when parts_without_value = 0 then coalesce(design_effect, 1) end as design_effect,
    case when parts_without_value = 0 then split_value / nullif(value, 0) end as split_share,
    missing_share,
    coverage,
    parts,
    case when first_basis = last_basis then first_basis else concat(first_basis, ', ', last_basis) end as basis,
    conversion_class
from judged

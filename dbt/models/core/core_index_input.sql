-- what goes into each index, on the finest level: one row per area, period and component, and whether the area counts
with composition as (

    select * from {{ source('catalogue', 'index_composition') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

exclusion as (

    select * from {{ source('catalogue', 'index_exclusion') }}

),

finest_area as (

    select area.*
    from {{ source('geography', 'area') }} as area
    inner join {{ source('catalogue', 'region') }} as region on area.level = region.finest_level
    where not area.is_unallocated

),

component_value as (

    select * from {{ ref('core_indicator_direct') }}
    union all
    select * from {{ ref('core_indicator_change') }}

),

counted as (

    select * from {{ ref('core_shown_count') }}

),

input as (

    select
        {{ area_keys('component_value') }},
        composition.indicator,
        composition.component,
        composition.weight,
        case
            when composition.from_counts then coalesce(component_value.counted_value, component_value.value)
            else component_value.value
        end as input,
        component_value.conversion_class,
        component_value.status,
        indicator.minimum_population,
        population.value as population,
        exclusion.area is not null as is_excluded
    from composition
    inner join indicator on composition.indicator = indicator.indicator
    inner join component_value
        on composition.component = component_value.indicator
        and {{ in_declared_years('composition', 'component_value.period') }}
    inner join finest_area
        on {{ same_area('component_value', 'finest_area') }}
    left join counted as population
        on indicator.minimum_population_measure = population.measure
        and {{ same_day('component_value', 'population') }}
    left join exclusion
        on composition.indicator = exclusion.indicator
        and component_value.area = exclusion.area
        and {{ in_declared_years('exclusion', 'component_value.period') }}

),

component_count as (

    select indicator, geography, edition, level, area, period, count(input) as inputs
    from input
    group by indicator, geography, edition, level, area, period

),

expected_count as (

    select
        indicator.indicator,
        period.period,
        count(distinct composition.component) as components
    from (select distinct indicator, period from input) as period
    inner join indicator on period.indicator = indicator.indicator
    inner join composition
        on period.indicator = composition.indicator
        and {{ in_declared_years('composition', 'period.period') }}
    group by indicator.indicator, period.period

)

select
    input.*,
    case
        when input.minimum_population is not null and input.population is null then 'missing_input'
        when input.population < input.minimum_population then 'below_minimum_population'
        when input.is_excluded then 'excluded_by_declaration'
        when component_count.inputs < expected_count.components then 'missing_input'
    end as reason
from input
inner join component_count
    on input.indicator = component_count.indicator
    and {{ same_cell('input', 'component_count') }}
inner join expected_count
    on input.indicator = expected_count.indicator
    and input.period = expected_count.period

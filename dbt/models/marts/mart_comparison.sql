-- reads protected_indicator_value; every value beside its municipality, its region and the areas of its type.
-- All of it is formed from values that are shown, so it tells nothing that they do not. Where a value or what it is
-- compared with is estimated or unreliable, no difference is called certain. An area is tested against the rest of the
-- whole it is part of; of all tests of one indicator, level and period so few are called different that no more of them
-- are false than the region declares (Benjamini and Hochberg).
{%- set family = 'geography, edition, level, period, indicator, comparator' %}
with indicator_value as (

    select * from {{ ref('protected_indicator_value') }}

),

indicator as (

    select * from {{ source('catalogue', 'indicator') }}

),

area as (

    select * from {{ source('geography', 'area') }}
    where not is_unallocated

),

ancestor as (

    select * from {{ source('geography', 'area_ancestor') }}

),

region as (

    select * from {{ source('catalogue', 'region') }}

),

coarsest_level as (

    select distinct area.geography, area.edition, area.level
    from area
    where area.parent_level is null

),

-- the groups an area is compared with: those around it, and those of its kind
comparator as (

    select
        ancestor.geography, ancestor.edition, ancestor.level, ancestor.area,
        case when coarsest_level.level is null then 'municipality' else 'region' end as comparator,
        ancestor.ancestor_level as comparator_level,
        ancestor.ancestor as comparator_area
    from ancestor
    cross join region
    left join coarsest_level
        on ancestor.geography = coarsest_level.geography
        and ancestor.edition = coarsest_level.edition
        and ancestor.ancestor_level = coarsest_level.level
    where ancestor.level != ancestor.ancestor_level
        and (coarsest_level.level is not null or ancestor.ancestor_level = region.municipality_level)
    union all
    select
        geography, edition, level, area,
        'type' as comparator,
        cast(null as varchar) as comparator_level,
        area_type as comparator_area
    from area
    where area_type is not null

),

grouped as (

    select
        {{ area_keys('indicator_value') }},
        indicator_value.indicator,
        indicator_value.value,
        indicator_value.status,
        indicator_value.numerator,
        indicator_value.denominator,
        indicator_value.ci_low,
        indicator_value.ci_high,
        indicator_value.conversion_class,
        comparator.comparator,
        comparator.comparator_level,
        comparator.comparator_area,
        indicator.kind,
        indicator.interval,
        indicator.factor
    from indicator_value
    inner join indicator on indicator_value.indicator = indicator.indicator
    inner join area on {{ same_area('indicator_value', 'area') }}
    inner join comparator on {{ same_area('indicator_value', 'comparator') }}

),

group_value as (

    select
        geography, edition, level, period, indicator, comparator, comparator_area,
        avg(value) as mean,
        sum(case when value is not null then numerator end) as numerator,
        sum(case when value is not null then denominator end) as denominator,
        factor * sum(case when value is not null then numerator end)
            / nullif(sum(case when value is not null then denominator end), 0) as pooled,
        -- few people in a part are no fault of the whole, but what is estimated in it stays so
        max(case when status = 'estimated' then 'estimated' end) as estimated,
        max(case when value is not null then conversion_class end) as conversion_class
    from grouped
    group by geography, edition, level, period, indicator, comparator, comparator_area, factor

),

compared as (

    select
        {{ area_keys('grouped') }},
        grouped.indicator,
        grouped.comparator,
        grouped.comparator_area,
        grouped.value,
        grouped.status,
        grouped.numerator,
        grouped.denominator,
        grouped.interval,
        grouped.ci_low,
        grouped.ci_high,
        case
            when grouped.kind in ('count', 'index') then 'mean'
            when grouped.comparator != 'type' then 'own'
            when grouped.kind in ('share', 'rate', 'reported_share') then 'pooled'
            else 'mean'
        end as basis,
        own.value as own,
        own.status as own_status,
        own.conversion_class as own_class,
        own.numerator as own_numerator,
        own.denominator as own_denominator,
        group_value.pooled,
        group_value.numerator as pooled_numerator,
        group_value.denominator as pooled_denominator,
        group_value.mean,
        coalesce(group_value.estimated, 'published') as group_status,
        group_value.conversion_class as group_class
    from grouped
    inner join group_value
        on grouped.geography = group_value.geography
        and grouped.edition = group_value.edition
        and grouped.level = group_value.level
        and grouped.period = group_value.period
        and grouped.indicator = group_value.indicator
        and grouped.comparator = group_value.comparator
        and grouped.comparator_area = group_value.comparator_area
    left join indicator_value as own
        on grouped.geography = own.geography
        and grouped.edition = own.edition
        and grouped.comparator_level = own.level
        and grouped.comparator_area = own.area
        and grouped.period = own.period
        and grouped.indicator = own.indicator

),

chosen as (

    select
        *,
        {{ rounded("case basis when 'own' then own when 'pooled' then pooled else mean end", 9) }} as comparator_value,
        case when basis = 'own' then own_status else group_status end as comparator_status,
        case when basis = 'own' then own_class else group_class end as comparator_class,
        case basis when 'own' then own_numerator when 'pooled' then pooled_numerator end as whole_numerator,
        case basis when 'own' then own_denominator when 'pooled' then pooled_denominator end as whole_denominator
    from compared

),

-- of two groups beside each other one is a part of both
scored as (

    select
        *,
        case interval
            when 'wilson' then {{ score_of_part('numerator', 'denominator', 'whole_numerator', 'whole_denominator') }}
            when 'ratio' then {{ score_of_part(
                'numerator', '(numerator + denominator)', 'whole_numerator', '(whole_numerator + whole_denominator)'
            ) }}
            when 'byar' then {{ score_of_events('numerator', 'denominator', 'whole_numerator', 'whole_denominator') }}
        end as score
    from chosen

),

-- the one place that says where there is no verdict; pages, packages and the api repeat none of it
reasoned as (

    select
        *,
        case
            when value is null then 'no_value'
            when comparator_value is null then 'no_comparator_value'
            when status = 'unreliable' then 'unreliable_value'
            when comparator_status = 'unreliable' then 'unreliable_comparator'
            when status = 'estimated' then 'estimated_value'
            when comparator_status = 'estimated' then 'estimated_comparator'
            when basis = 'mean' or ci_low is null or ci_high is null then 'no_interval'
            when score is null then 'no_rest'
        end as reason
    from scored

),

tested as (

    select
        *,
        case when reason is null then {{ two_sided_probability('score') }} end as probability
    from reasoned

),

ranked as (

    select *, {{ rank_in_family('probability', family, 'area') }}
    from tested

),

adjusted as (

    select *, {{ adjusted_probability('probability', family) }} as false_discovery_rate
    from ranked

)

select
    {{ area_keys('adjusted') }},
    indicator,
    comparator,
    comparator_area,
    basis,
    comparator_value,
    {{ rounded('value - comparator_value', 9) }} as difference,
    case
        when reason is not null then null
        when adjusted.false_discovery_rate > region.false_discovery_rate then 'similar'
        when score > 0 then 'above'
        else 'below'
    end as significance,
    reason,
    case when comparator_value is not null then comparator_status end as comparator_status,
    case when comparator_value is not null then comparator_class end as comparator_class
from adjusted
cross join region
order by geography, edition, level, area, period, indicator, comparator

-- reads stg_wahlen: eligible voters and voters by polling district; yields one row per area, period and measure.
-- Votes by post are counted where nobody is eligible. A municipality's are given to its districts in proportion to the
-- eligible who hold a polling card for the post; the municipality's own total is exact.
{{ config(enabled='wahlen' in var('sources')) }}
with delivered as (

    select * from {{ ref('stg_wahlen') }}

),

reported as (

    select
        {{ observation_keys() }},
        election,
        row,
        max(case when column_name = 'eligible' then value end) as eligible,
        max(case when column_name = 'card_holders' then value end) as card_holders,
        max(case when column_name = 'voters' then value end) as voters
    from delivered
    group by {{ observation_keys() }}, election, row

),

district as (

    select * from reported
    where not {{ is_unallocated('area') }}

),

by_post as (

    select delivery, {{ complete_sum('voters') }} as voters, count(*) as districts
    from reported
    where {{ is_unallocated('area') }}
    group by delivery

),

total as (

    select delivery, {{ complete_sum('card_holders') }} as card_holders, {{ complete_sum('eligible') }} as eligible
    from district
    group by delivery

),

counted as (

    select
        {{ observation_keys('district') }},
        district.election,
        district.eligible,
        district.voters + case
            when by_post.districts is null or by_post.voters = 0 then 0
            when total.card_holders > 0 then by_post.voters * district.card_holders / nullif(total.card_holders, 0)
            else by_post.voters * district.eligible / nullif(total.eligible, 0)
        end as voters,
        coalesce(by_post.voters, 0) > 0 as has_votes_by_post
    from district
    inner join total on district.delivery = total.delivery
    left join by_post on district.delivery = by_post.delivery

),

combined as (

    select {{ observation_keys() }}, concat('eligible_voters_', election) as measure, eligible as value, false as is_estimate
    from counted
    union all
    select {{ observation_keys() }}, concat('voters_', election) as measure, voters as value, has_votes_by_post as is_estimate
    from counted

)

select
    {{ observation_keys() }},
    measure,
    true as additive,
    value,
    case when value is null then 'missing' when is_estimate then 'estimated' else 'reported' end as status
from combined

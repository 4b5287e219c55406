-- reads stg_kita_einrichtungen: a row per day care centre; yields one row per area, period and measure
{{ config(enabled='kita_einrichtungen' in var('sources')) }}
with site as (

    select * from {{ ref('stg_kita_einrichtungen') }}

),

counted as (

    select
        {{ observation_keys() }},
        count(*) as kita_sites,
        sum(places) as kita_places,
        sum(under_3) as kita_site_under_3,
        sum(from_3) as kita_site_3_plus
    from site
    group by {{ observation_keys() }}

),

observation as (
    {{ counts_as_observations('counted', ['kita_sites', 'kita_places', 'kita_site_under_3', 'kita_site_3_plus']) }}
)

select * from observation

-- reads the verdicts of gate 1; every delivery that ever arrived. How many records of persons or households a protected
-- source delivered is a count of its own, and no indicator: it is not shown. Nor is a hash of its content, by which
-- whoever guesses a small file could make sure of it.
with delivery as (

    select * from {{ source('judged', 'delivery') }}

),

declared_source as (

    select * from {{ source('catalogue', 'source') }}

),

shown as (

    select
        delivery.*,
        declared_source.shape = 'records' and declared_source.publication != 'already_public' as counts_people
    from delivery
    inner join declared_source on delivery.source = declared_source.source

)

select
    delivery, source, municipality, period, reference_date, edition, level, version, file_name,
    cast(null as varchar) as sha256, landed_at,
    case when not counts_people then rows_read end as rows_read,
    case when not counts_people then rows_accepted end as rows_accepted,
    rows_quarantined, verdict, in_force, supersedes, nullif(dimensions, '') as dimensions
from shown
order by source, municipality, period, edition, level, dimensions, version

-- reads the verdicts of gate 1; every delivery that ever arrived
with delivery as (

    select * from {{ source('judged', 'delivery') }}

)

select
    delivery, source, municipality, period, reference_date, edition, level, version, file_name, sha256, landed_at,
    rows_read, rows_accepted, rows_quarantined, verdict, in_force, supersedes
from delivery
order by source, municipality, period, edition, level, version

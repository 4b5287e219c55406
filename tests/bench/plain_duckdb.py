"""One plain DuckDB script: the published numbers of the Berlin region, straight from the delivered files.

It is the benchmark peer and the independent oracle of the pipeline, so it shares nothing with it: no
framework, no declarations, no models. Only the standard library and duckdb.

Reads   DATA_DIR/ewr/*.csv (population by Planungsraum and age band) and, in DATA_DIR/mss/, the tables -00-1,
        -00-2-1, -00-2-2, -00-2-3 and -00-3 of each edition of the Monitoring Soziale Stadtentwicklung.
Writes  OUTPUT.parquet, one row per level, area, period and indicator: `level, area, period, reference_date,
        indicator, numerator, denominator, value, class`. A null value means "not available".

Usage: python tests/bench/plain_duckdb.py DATA_DIR OUTPUT.parquet
Exit code 0: written and in agreement with the published classes and index values; 1: written, but different;
2: wrong usage.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

POPULATION_SQL = r"""
create table population as

with delivered as (
    select
        lpad(RAUMID, 8, '0') as area,
        last_day(strptime(ZEIT, '%Y%m')::date) as reference_date,
        E_E,
        columns('^E_E[0-9]{2}_[0-9]+$')
    from read_csv(
        getvariable('data_dir') || '/ewr/*.csv',
        delim = ';', quote = '"', header = true, all_varchar = true, union_by_name = true
    )
    where RAUMID is not null
),

age_band as (
    unpivot delivered on columns('^E_E[0-9]{2}_[0-9]+$') into name band value residents
),

-- the decimal comma of some years stands before two zeros: these are whole persons
typed as (
    select
        area,
        reference_date,
        replace(E_E, ',', '.')::double::bigint as published_total,
        substr(band, 4, 2)::integer as age_from,
        regexp_extract(band, '_([0-9]+)$', 1)::integer as age_below,
        replace(residents, ',', '.')::double::bigint as residents
    from age_band
)

select
    area,
    reference_date,
    any_value(published_total) as published_total,
    sum(residents)::bigint as residents,
    coalesce(sum(residents) filter (where age_below <= 15), 0)::bigint as age_under_15,
    coalesce(sum(residents) filter (where age_below <= 18), 0)::bigint as age_under_18,
    coalesce(sum(residents) filter (where age_from >= 15 and age_below <= 65), 0)::bigint as age_15_to_64,
    coalesce(sum(residents) filter (where age_from >= 18 and age_below <= 65), 0)::bigint as age_18_to_64,
    coalesce(sum(residents) filter (where age_from >= 65), 0)::bigint as age_65_plus,
    coalesce(sum(residents) filter (where age_from >= 80), 0)::bigint as age_80_plus
from typed
group by area, reference_date
"""

ROLLUP_SQL = """
create table area_level (level varchar, key_length integer);

insert into area_level values
    ('planungsraum', 8), ('bezirksregion', 6), ('prognoseraum', 4), ('bezirk', 2), ('stadt', 0);

create table area_population as

select
    area_level.level,
    if(area_level.level = 'stadt', '11000000', left(population.area, area_level.key_length)) as area,
    population.reference_date,
    sum(population.residents)::bigint as residents,
    sum(population.age_under_15)::bigint as age_under_15,
    sum(population.age_under_18)::bigint as age_under_18,
    sum(population.age_15_to_64)::bigint as age_15_to_64,
    sum(population.age_18_to_64)::bigint as age_18_to_64,
    sum(population.age_65_plus)::bigint as age_65_plus,
    sum(population.age_80_plus)::bigint as age_80_plus
from population
cross join area_level
group by all
"""

POPULATION_INDICATOR_SQL = """
create table population_indicator as

with fraction as (
    select
        level,
        area,
        reference_date,
        unnest([
            {'indicator': 'population', 'numerator': residents, 'denominator': null},
            {'indicator': 'share_under_18', 'numerator': age_under_18, 'denominator': residents},
            {'indicator': 'share_65_plus', 'numerator': age_65_plus, 'denominator': residents},
            {'indicator': 'share_80_plus', 'numerator': age_80_plus, 'denominator': residents},
            {'indicator': 'youth_ratio', 'numerator': age_under_18, 'denominator': age_18_to_64},
            {'indicator': 'old_age_ratio', 'numerator': age_65_plus, 'denominator': age_18_to_64}
        ], recursive := true)
    from area_population
)

select
    level,
    area,
    strftime(reference_date, '%Y-%m-%d') as period,
    reference_date,
    indicator,
    numerator,
    denominator,
    if(indicator = 'population', numerator::double, 100.0 * numerator / nullif(denominator, 0)) as value,
    null::varchar as class
from fraction
"""

MSS_SHARE_SQL = r"""
create table mss_share as

with delivered as (
    select
        case regexp_extract(filename, '-00-2-([1-3])\.csv$', 1)
            when '1' then 'planungsraum' when '2' then 'bezirksregion' else 'bezirk'
        end as level,
        id as area,
        regexp_extract(filename, '-([0-9]{4})-00-2-', 1) as period,
        columns('^([sd][1-4])_percentage_.*$')::double as '\1'
    from read_csv(
        getvariable('data_dir') || '/mss/*-00-2-[123].csv',
        delim = ',', quote = '"', header = true, all_varchar = true, union_by_name = true, filename = true
    )
),

-- areas that were not evaluated are coded as zero throughout
judged as (
    select
        *,
        make_date(period::integer - 1, 12, 31) as reference_date,
        coalesce(s1 = 0 and s3 = 0 and s4 = 0, false) as is_not_evaluated
    from delivered
),

component as (
    select
        level,
        area,
        period,
        reference_date,
        is_not_evaluated,
        unnest([
            {'component': 1, 's': s1, 'd': d1},
            {'component': 2, 's': s2, 'd': d2},
            {'component': 3, 's': s3, 'd': d3},
            {'component': 4, 's': s4, 'd': d4}
        ], recursive := true)
    from judged
),

with_denominator as (
    select
        component.* exclude (is_not_evaluated, s, d),
        if(is_not_evaluated, null, s) as s,
        if(is_not_evaluated, null, d) as d,
        case component when 3 then now.residents when 4 then now.age_under_15 else now.age_15_to_64 end
            as denominator,
        case component
            when 3 then two_years_before.residents
            when 4 then two_years_before.age_under_15
            else two_years_before.age_15_to_64
        end as previous_denominator
    from component
    left join area_population as now using (level, area, reference_date)
    left join area_population as two_years_before
        on
            component.level = two_years_before.level
            and component.area = two_years_before.area
            and component.reference_date - interval 2 year = two_years_before.reference_date
    where component.component <> 2 or component.period <= '2017'
),

-- five published decimals leave one whole number of persons, or the share had another denominator;
-- the difference of two published figures carries both roundings, hence twice the tolerance
candidate as (
    select
        *,
        s * denominator / 100 as persons,
        denominator * 0.5e-5 / 100 * 1.01 + 1e-9 as tolerance,
        (s - d) * previous_denominator / 100 as previous_persons,
        previous_denominator * 1e-5 / 100 * 1.01 + 1e-9 as previous_tolerance
    from with_denominator
)

select
    level,
    area,
    period,
    reference_date,
    component,
    s,
    d,
    denominator,
    previous_denominator,
    if(abs(persons - round(persons)) <= tolerance, round(persons)::bigint, null) as numerator,
    if(
        abs(previous_persons - round(previous_persons)) <= previous_tolerance,
        round(previous_persons)::bigint,
        null
    ) as previous_numerator
from candidate
"""

MSS_INDICATOR_SQL = """
create table mss_indicator as

with published_share as (
    select
        level,
        area,
        period,
        reference_date,
        'mss_s' || component as indicator,
        numerator,
        denominator,
        s as value
    from mss_share
),

published_change as (
    select
        level,
        area,
        period,
        reference_date,
        'mss_d' || component as indicator,
        null::bigint as numerator,
        null::bigint as denominator,
        d as value
    from mss_share
),

-- a sum with an unknown part is unknown
summed as (
    select
        if(level = 'bezirk', 'stadt', 'prognoseraum') as level,
        if(level = 'bezirk', '11000000', left(area, 4)) as area,
        period,
        reference_date,
        'mss_s' || component as indicator,
        if(count(numerator) = count(*), sum(numerator), null)::bigint as numerator,
        sum(denominator)::bigint as denominator
    from mss_share
    where level in ('bezirksregion', 'bezirk')
    group by all
),

summed_share as (
    select *, 100.0 * numerator / nullif(denominator, 0) as value
    from summed
)

select *, null::varchar as class from published_share
union all
select *, null::varchar as class from published_change
union all
select *, null::varchar as class from summed_share
"""

MSS_INDEX_SQL = """
create table mss_index as

with excluded (area, period) as (
    values
    ('10010203', '2013'), ('10010203', '2015'), ('10010203', '2019'),
    ('04041239', '2019')
),

-- the first edition was standardised from unrounded shares, the later ones from the published five decimals
index_input as (
    select
        area,
        period,
        reference_date,
        component,
        if(period = '2013', 100.0 * numerator / nullif(denominator, 0), s) as status_input,
        if(
            period = '2013',
            100.0 * numerator / nullif(denominator, 0)
            - 100.0 * previous_numerator / nullif(previous_denominator, 0),
            d
        ) as dynamik_input
    from mss_share
    where level = 'planungsraum'
),

valid_area as (
    select index_input.area, index_input.period
    from index_input
    inner join population using (area, reference_date)
    left join excluded using (area, period)
    where population.residents >= 300 and excluded.area is null
    group by index_input.area, index_input.period
    having count(status_input) = count(*) and count(dynamik_input) = count(*)
),

z_score as (
    select
        area,
        period,
        (status_input - avg(status_input) over same_component)
        / nullif(stddev_pop(status_input) over same_component, 0) as status_z,
        (dynamik_input - avg(dynamik_input) over same_component)
        / nullif(stddev_pop(dynamik_input) over same_component, 0) as dynamik_z
    from index_input
    inner join valid_area using (area, period)
    window same_component as (partition by period, component)
),

z_sum as (
    select area, period, sum(status_z) as status_sum, sum(dynamik_z) as dynamik_sum
    from z_score
    group by area, period
),

-- the standard deviation of the sums makes the borders of the classes comparable between the editions
restandardised as (
    select
        area,
        period,
        status_sum / nullif(stddev_pop(status_sum) over (partition by period), 0) as status_index,
        dynamik_sum / nullif(stddev_pop(dynamik_sum) over (partition by period), 0) as dynamik_index
    from z_sum
),

reported_area as (
    select distinct area, period, reference_date
    from index_input
)

select
    'planungsraum' as level,
    reported_area.area,
    reported_area.period,
    reported_area.reference_date,
    unnest([
        {
            'indicator': 'mss_status',
            'value': status_index,
            'class': case
                when status_index < -1 then 'hoch'
                when status_index <= 1 then 'mittel'
                when status_index <= 1.5 then 'niedrig'
                when status_index > 1.5 then 'sehr niedrig'
            end
        },
        {
            'indicator': 'mss_dynamik',
            'value': dynamik_index,
            'class': case
                when dynamik_index < -1 then 'positiv'
                when dynamik_index <= 1 then 'stabil'
                when dynamik_index > 1 then 'negativ'
            end
        }
    ], recursive := true)
from reported_area
left join restandardised using (area, period)
"""

RESULT_SQL = """
create table indicator_value as

with result as (
    select * from population_indicator
    union all by name
    select * from mss_indicator
    union all by name
    select * from mss_index
)

select level, area, period, reference_date, indicator, numerator, denominator, value, class
from result
order by indicator, level, area, period
"""

PARTS = {
    "population by Planungsraum": POPULATION_SQL,
    "population by level": ROLLUP_SQL,
    "population indicators": POPULATION_INDICATOR_SQL,
    "MSS shares and numerators": MSS_SHARE_SQL,
    "MSS indicators": MSS_INDICATOR_SQL,
    "MSS indices": MSS_INDEX_SQL,
    "result": RESULT_SQL,
}

CLASS_CHECK_SQL = r"""
with published as (
    select
        id as area,
        regexp_extract(filename, '-([0-9]{4})-00-1\.csv$', 1) as period,
        nullif(status_index_class, '') as status_class,
        nullif(dynamic_index_class, '') as dynamik_class
    from read_csv(
        getvariable('data_dir') || '/mss/*-00-1.csv',
        delim = ',', quote = '"', header = true, all_varchar = true, filename = true
    )
),

published_long as (
    unpivot published
    on status_class as mss_status, dynamik_class as mss_dynamik
    into name indicator value class
),

computed as (
    select area, period, indicator, class
    from indicator_value
    where class is not null
)

select
    period,
    indicator,
    count(computed.class) as computed,
    count(published_long.class) as published,
    count(*) filter (where computed.class is not distinct from published_long.class) as equal_classes
from computed
full join published_long using (area, period, indicator)
group by period, indicator
order by indicator, period
"""

# The columns of this table are shifted against its header: the index stands where the second change should.
INDEX_CHECK_SQL = r"""
with published as (
    select
        id as area,
        regexp_extract(filename, '-([0-9]{4})-00-3\.csv$', 1) as period,
        z_d2_percentage_long_term_unemployed::double as status_index
    from read_csv(
        getvariable('data_dir') || '/mss/*-00-3.csv',
        delim = ',', quote = '"', header = true, all_varchar = true, filename = true
    )
)

select
    period,
    count(*) as compared,
    max(abs(indicator_value.value - published.status_index)) as largest_difference
from indicator_value
inner join published using (area, period)
where indicator_value.indicator = 'mss_status' and indicator_value.value is not null
group by period
order by period
"""

POPULATION_CHECK_SQL = """
select count(*) filter (where residents is distinct from published_total) from population
"""

INDEX_TOLERANCE = 1e-5


def compute(data_dir: Path, seconds: dict[str, float] | None = None) -> duckdb.DuckDBPyConnection:
    """Compute everything from the files in `data_dir` (with the folders `ewr` and `mss`), in memory.

    Returns the open connection. Its table `indicator_value` has the columns level, area, period,
    reference_date, indicator, numerator (persons), denominator (persons), value (persons, percent, percentage
    points or index) and class. `seconds`, where given, receives the wall time of each part. Raises
    duckdb.Error when a file is missing or cannot be read as expected.
    """
    connection = duckdb.connect()
    connection.execute("set variable data_dir = ?", [data_dir.as_posix()])
    for part, sql in PARTS.items():
        started = time.perf_counter()
        connection.execute(sql)
        if seconds is not None:
            seconds[part] = time.perf_counter() - started
    return connection


def verify(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare the result with what the files themselves publish; return the disagreements, one sentence each.

    Compared are the residents of each area with the sum of its age bands, the classes of both indices and the
    values of the status index. `connection` is the one returned by `compute`.
    """
    problems = []
    (unequal_totals,) = connection.execute(POPULATION_CHECK_SQL).fetchone() or (0,)
    if unequal_totals:
        problems.append(f"{unequal_totals} areas whose age bands do not sum to the published residents")
    classes = connection.execute(CLASS_CHECK_SQL).fetchall()
    for period, indicator, computed, published, equal in classes:
        print(f"  {indicator} {period}: {published} classes published, {computed} computed, {equal} equal")
        if not equal == published == computed:
            problems.append(f"classes of {indicator} {period} differ from table -00-1")
    indices = connection.execute(INDEX_CHECK_SQL).fetchall()
    for period, compared, difference in indices:
        print(f"  mss_status {period}: {compared} values compared, largest difference {difference:.1e}")
        if difference > INDEX_TOLERANCE:
            problems.append(f"values of mss_status {period} differ from table -00-3")
    if not classes or not indices:
        problems.append("nothing to compare with")
    return problems


def main(arguments: list[str]) -> int:
    """Run the command line described at the top of the file and return its exit code."""
    if len(arguments) != 2:
        print("usage: plain_duckdb.py DATA_DIR OUTPUT.parquet", file=sys.stderr)
        return 2
    data_dir, output = Path(arguments[0]), Path(arguments[1])
    seconds: dict[str, float] = {}
    connection = compute(data_dir, seconds)

    started = time.perf_counter()
    connection.table("indicator_value").write_parquet(output.as_posix(), compression="zstd")
    seconds["write"] = time.perf_counter() - started
    print("seconds")
    for part, duration in seconds.items():
        print(f"  {part:<28}{duration:7.3f}")
    print(f"  {'total':<28}{sum(seconds.values()):7.3f}")

    print("rows (of these with a value)")
    for indicator, rows, values in connection.execute(
        "select indicator, count(*), count(value) from indicator_value group by indicator order by indicator"
    ).fetchall():
        print(f"  {indicator:<16}{rows:7d} ({values})")

    print("agreement with the published tables")
    problems = verify(connection)
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

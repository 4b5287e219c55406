"""One plain DuckDB script: the indicators of the simulated county, straight from the delivered files.

It is the benchmark peer and an independent oracle of the pipeline, so it shares nothing with it: no framework, no
declarations, no models, no checks. Only the standard library and duckdb.

Reads   COUNTY_DIR/inbox/<municipality>/{einwohner,haushalte}, COUNTY_DIR/inbox/kreis/<department> and the attributes of
        COUNTY_DIR/geo/*.gpkg, clean and each in the layout of its software.
Writes  OUTPUT.parquet, one row per level, area, period and indicator: `level, area, period, reference_date, indicator,
        numerator, denominator, value`, on the areas of the edition in force today. A null means "not available".

The employment agency's figures by area are computed for the years it delivered them on these areas. One indicator is
left out: turnout, which is counted by polling district and has to be carried over onto areas.

Usage: python tests/bench/plain_county.py COUNTY_DIR OUTPUT.parquet
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import duckdb

EDITION = "2022"
# § 7a SGB II: who is younger on 31 December of the year counts as below retirement age, in months
RETIREMENT_AGE = {2019: 788, 2020: 789, 2021: 790, 2022: 791, 2023: 792, 2024: 792}

# the registers of four kinds of software: pattern of the file names, options of the reader, and each column
REGISTERS = {
    "bestand_*.csv": (
        "delim = ';'",
        "AGS, STRSCHL, HNR, coalesce(HNRZUS, ''), strptime(GEBDAT, '%Y%m%d'), "
        "STAAT1 != '000', MIGRA != '0', WOHNST = 'H'",
    ),
    "ewo_*.csv": (
        "delim = ','",
        "left(strassen_id, 8), substr(strassen_id, 9), hausnummer, coalesce(zusatz, ''), "
        "strptime(geburtsdatum, '%Y-%m-%d'), staatsangehoerigkeit != 'DE', mhg != '0', wohnungsstatus = '1'",
    ),
    "EINW*.TXT": (
        "delim = ';', encoding = 'latin-1'",
        "Gemeinde, Schlüssel, regexp_extract(Hausnr, '^[0-9]+'), regexp_extract(Hausnr, '[a-z]*$'), "
        "strptime(\"Geb-Datum\", '%d.%m.%Y'), Staatsang != '000', Migration != 'ohne', Wohnung = 'HW'",
    ),
    "Personenbestand*.tsv": (
        "delim = '\t'",
        "Gemeindeschlüssel, lpad(Straßenschlüssel, 5, '0'), Hausnummer, coalesce(Buchstabe, ''), "
        "strptime(Geburtstag, '%Y-%m-%d'), Staatsangehörigkeit != '000', Migrationshintergrund != '0', "
        "Hauptwohnung = 'ja'",
    ),
}

# records of the county's departments: folder, encoding, day of the year they speak of, measures
DEPARTMENTS = {
    "asylblg": ("utf-8", {"asylum_benefits": "count(*)"}),
    "hilfen_zur_erziehung": (
        "utf-8",
        {
            "help_cases": "count(*) filter (where hilfeart != '§ 28' and "
            "date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, reference_date) < 21)"
        },
    ),
    "kita_kinder": (
        "utf-8",
        {
            "care_under_3": "count(*) filter (where "
            "date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, period::date) < 3)",
            "care_3_to_5": "count(*) filter (where "
            "date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, period::date) between 3 and 5)",
        },
    ),
    "schuleingangsuntersuchung": (
        "utf-8",
        {
            "examined": "count(*)",
            "abnormal": "count(*) filter (where sopess_sprache = 'auffällig')",
            "obese": "count(*) filter (where adipositas = 'ja')",
            "booklet": "count(*) filter (where heft_vorgelegt = 'ja')",
            "checks": "count(*) filter (where u8 = 'ja' and u9 = 'ja')",
        },
    ),
    "schuluebergaenge": (
        "latin-1",
        {"transitions": "count(*)", "grammar_school": "count(*) filter (where uebergang = 'GY')"},
    ),
    "sgb_xii": (
        "utf-8",
        {
            "basic_security_65_plus": "count(*) filter (where kapitel = '4' and einrichtung = 'nein' and "
            "date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, reference_date) >= 65)"
        },
    ),
    "wohngeld": ("utf-8", {"housing_benefit": "count(*)"}),
}

# indicator: numerator, denominator, factor, years that are summed
RATIOS = {
    "mean_age": ("age_sum", "population", 1, 1),
    "share_under_18": ("under_18", "population", 100, 1),
    "share_65_plus": ("over_64", "population", 100, 1),
    "share_80_plus": ("over_79", "population", 100, 1),
    "youth_ratio_20_64": ("under_20", "from_20_to_64", 100, 1),
    "old_age_ratio_20_64": ("over_64", "from_20_to_64", 100, 1),
    "share_foreign": ("foreigners", "population", 100, 1),
    "share_migration_background": ("migration", "population", 100, 1),
    "asylum_benefit_rate": ("asylum_benefits", "population", 1000, 1),
    "share_single_person_households": ("single_person", "households", 100, 1),
    "share_single_parents": ("single_parents", "with_children", 100, 1),
    "share_older_living_alone": ("older_alone", "households", 100, 1),
    "sgb2_rate": ("sgb2_persons", "under_retirement_age", 100, 1),
    "child_poverty": ("sgb2_under_15", "under_15", 100, 1),
    "old_age_poverty": ("basic_security_65_plus", "over_64", 100, 1),
    "unemployment_share": ("unemployed", "from_15_to_64", 100, 1),
    "employment_share": ("employed", "from_15_to_64", 100, 1),
    "child_welfare_rate": ("help_cases", "under_21", 10000, 1),
    "care_rate_under_3": ("care_under_3", "under_3", 100, 1),
    "care_rate_3_to_5": ("care_3_to_5", "from_3_to_5", 100, 1),
    "grammar_school_share": ("grammar_school", "transitions", 100, 3),
    "share_language_abnormal": ("abnormal", "examined", 100, 3),
    "share_obesity": ("obese", "examined", 100, 3),
    "share_checkups_complete": ("checks", "booklet", 100, 3),
    "share_housing_benefit": ("housing_benefit", "households", 100, 1),
}

# one row per block, municipality, period and measure; everything after it is small
COUNT_SQL = """
create table block_count (block text, ags text, period text, reference_date date, measure text, value double)
"""

PLACES_SQL = """
create table street as
select
    ags, strassenschluessel as street_key, seite as side, block,
    hnr_von::integer as number_from, lower(coalesce(hnr_zusatz_von, '')) as suffix_from,
    hnr_bis::integer as number_to, coalesce(lower(nullif(hnr_zusatz_bis, '')), '~') as suffix_to
from read_csv($streets, delim = ';', all_varchar = true);

create table block as
select distinct block, gebiet as area from read_csv($streets, delim = ';', all_varchar = true);
"""

# an address is looked up once, however many rows name it
COUNTED_SQL = """
with address as (
    select distinct ags, street_key, house_number, suffix from delivered
),
placed as (
    select address.*, street.block
    from address
    inner join street
        on address.ags = street.ags and address.street_key = street.street_key
        and street.side in ('beide', case when house_number % 2 = 1 then 'u' else 'g' end)
        and (house_number, suffix) >= (number_from, suffix_from)
        and (house_number, suffix) <= (number_to, suffix_to)
),
counted as (
    select block, delivered.ags, period, reference_date, {measures}
    from delivered left join placed using (ags, street_key, house_number, suffix)
    group by all
)
insert into block_count
unpivot counted on columns(* exclude (block, ags, period, reference_date)) into name measure value value
"""


def main(county: Path, output: Path) -> None:
    """Compute all indicators of a county's folder and write them to one Parquet file."""
    connection = duckdb.connect()
    inbox = county / "inbox"
    streets = str(inbox / "kreis" / "strassenraster" / f"strassenraster_{EDITION}.csv")
    for statement in PLACES_SQL.split(";\n\n"):
        connection.execute(statement, {"streets": streets})
    connection.execute("create table area (level text, area text, municipality text)")
    connection.executemany("insert into area values (?, ?, ?)", areas(county / "geo"))
    connection.execute(COUNT_SQL)
    count_residents(connection, inbox)
    count_households(connection, inbox)
    count_departments(connection, inbox)
    roll_up(connection)
    add_agency(connection, inbox)
    write_indicators(connection, output)


def areas(folder: Path) -> list[tuple[str, str, str | None]]:
    """Level, key and municipality of every area; a GeoPackage is an SQLite file."""
    found: list[tuple[str, str, str | None]] = []
    for level, municipality in (("wohnplatz", "municipality"), ("gemeinde", "key"), ("kreis", "null")):
        layer = f"{level}_{EDITION}"
        with closing(sqlite3.connect(folder / f"{layer}.gpkg")) as shapes:
            found += shapes.execute(f"select '{level}', key, {municipality} from {layer}").fetchall()
    return found


def count_residents(connection: duckdb.DuckDBPyConnection, inbox: Path) -> None:
    """Residents with their main home, by age and origin."""
    parts = [
        f"""
        select {columns}, regexp_extract(parse_filename(filename), '20[0-9]{{2}}')
        from read_csv('{inbox}/*/einwohner/{pattern}', {options}, header = true, all_varchar = true, filename = true)
        """
        for pattern, (options, columns) in REGISTERS.items()
    ]
    spans = {
        "under_3": (0, 3), "from_3_to_5": (3, 6), "under_15": (0, 15), "under_18": (0, 18), "under_20": (0, 20),
        "under_21": (0, 21), "from_15_to_64": (15, 65), "from_20_to_64": (20, 65), "over_64": (65, 999),
        "over_79": (80, 999),
    }  # fmt: skip
    counts = {
        "population": "count(*)",
        "age_sum": "sum(months // 12)",
        "foreigners": "count(*) filter (where is_foreign)",
        "migration": "count(*) filter (where has_migration)",
        "under_retirement_age": "count(*) filter (where months < retirement_months)",
        **{
            name: f"count(*) filter (where months >= {12 * low} and months < {12 * high})"
            for name, (low, high) in spans.items()
        },
    }
    bounds = ", ".join(f"({year}, {months})" for year, months in RETIREMENT_AGE.items())
    connection.execute(
        f"""
        create temp view delivered as
        with person (
            ags, street_key, house_number, suffix, born, is_foreign, has_migration, lives_here, year
        ) as ({" union all ".join(parts)}),
        bound (of_year, retirement_months) as (values {bounds})
        select
            ags, street_key, house_number::integer as house_number, lower(suffix) as suffix,
            year || '-12-31' as period, make_date(year::integer, 12, 31) as reference_date,
            date_sub('month', born::date, make_date(year::integer, 12, 31)) as months,
            is_foreign, has_migration, retirement_months
        from person inner join bound on year::integer = of_year
        where lives_here
        """
    )
    _count(connection, counts)


def count_households(connection: duckdb.DuckDBPyConnection, inbox: Path) -> None:
    """Households, delivered as counts per address."""
    connection.execute(
        f"""
        create temp view delivered as
        select
            ags, strschl as street_key, hnr::integer as house_number, lower(coalesce(hnrzus, '')) as suffix,
            regexp_extract(parse_filename(filename), '20[0-9-]+') as period, period::date as reference_date,
            columns('^HH')::integer
        from read_csv('{inbox}/*/haushalte/*.csv', delim = ';', header = true, all_varchar = true, filename = true)
        """
    )
    _count(
        connection,
        {
            "households": "sum(HH)",
            "single_person": "sum(HH_1pers)",
            "single_parents": "sum(HH_alleinerz)",
            "with_children": "sum(HH_1kind + HH_2kind + HH_ab3kind)",
            "older_alone": "sum(HH_single_ab65)",
        },
    )


def count_departments(connection: duckdb.DuckDBPyConnection, inbox: Path) -> None:
    """Records of the county's departments; day care on 1 March meets the residents of the 31 December before."""
    for folder, (encoding, measures) in DEPARTMENTS.items():
        connection.execute(
            f"""
            create temp view delivered as
            select
                *, strassenschluessel as street_key, hausnummer::integer as house_number,
                lower(coalesce(zusatz, '')) as suffix,
                regexp_extract(parse_filename(filename), '20[0-9-]+') as period,
                make_date(left(period, 4)::integer - (period like '%-03-01')::integer, 12, 31) as reference_date
            from read_csv(
                '{inbox}/kreis/{folder}/*.csv', delim = ';', header = true, all_varchar = true, filename = true,
                encoding = '{encoding}'
            )
            """
        )
        _count(connection, measures)


def _count(connection: duckdb.DuckDBPyConnection, measures: dict[str, str]) -> None:
    """Add counts of the view `delivered` by block to `block_count`."""
    listed = ", ".join(f"{expression} as {name}" for name, expression in measures.items())
    connection.execute(COUNTED_SQL.format(measures=listed))
    connection.execute("drop view delivered")


def roll_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Counts on three levels in `counted`; an area without any has none."""
    connection.execute(
        """
        create table counted as
        with total as (
            select 'wohnplatz' as level, area, period, measure, sum(value) as value
            from block_count inner join block using (block) group by all
            union all
            select 'gemeinde', ags, period, measure, sum(value) from block_count group by all
            union all
            select 'kreis', left(ags, 5), period, measure, sum(value) from block_count group by all
        )
        select level, area, period, reference_date, measure, coalesce(value, 0) as value
        from area cross join (select distinct period, reference_date, measure from block_count)
        left join total using (level, area, period, measure)
        """
    )


def add_agency(connection: duckdb.DuckDBPyConnection, inbox: Path) -> None:
    """Add the employment agency's figures, delivered by area and by municipality; `*` hides a small number."""
    for folder, level, key, since in (
        ("arbeitsagentur", "wohnplatz", "gebiet", EDITION),
        ("arbeitsagentur_gemeinden", "gemeinde", "gemeinde", "2019"),
    ):
        connection.execute(
            f"""
            insert into counted
            with delivered as (
                select
                    {key} as area, stichtag as period, svb as employed, arbeitslose as unemployed, lb as sgb2_persons,
                    lb_u15 as sgb2_under_15
                from read_csv('{inbox}/kreis/{folder}/*.csv', delim = ';', header = true, all_varchar = true)
                where stichtag >= '{since}'
            )
            select '{level}', area, period, period::date, measure, try_cast(value as double)
            from (unpivot delivered on employed, unemployed, sgb2_persons, sgb2_under_15 into name measure value value)
            """
        )
    connection.execute(
        """
        insert into counted
        select
            'kreis', left(area, 5), period, reference_date, measure,
            case when count(*) = count(value) then sum(value) end
        from counted
        where level = 'gemeinde' and measure in ('employed', 'unemployed', 'sgb2_persons', 'sgb2_under_15')
        group by all
        """
    )


def write_indicators(connection: duckdb.DuckDBPyConnection, output: Path) -> None:
    """Divide and write; a sum of several years needs each of them."""
    ratios = ", ".join(
        f"('{name}', '{numerator}', '{denominator}', {factor}, {years})"
        for name, (numerator, denominator, factor, years) in RATIOS.items()
    )
    connection.execute(
        f"""
        copy (
            with ratio (indicator, top, bottom, factor, years) as (values {ratios}),
            paired as (
                select
                    upper.level, upper.area, upper.period, upper.reference_date, indicator, factor, years,
                    case when count(upper.value) over several = years
                        then sum(upper.value) over several end as numerator,
                    case when count(lower.value) over several = years
                        then sum(lower.value) over several end as denominator
                from ratio
                inner join counted as upper on upper.measure = top
                inner join counted as lower
                    on lower.measure = bottom and lower.level = upper.level and lower.area = upper.area
                    and lower.reference_date = upper.reference_date
                window several as (
                    partition by indicator, upper.level, upper.area order by upper.reference_date
                    range between interval (years - 1) year preceding and current row
                )
            )
            select
                level, area, period, reference_date, indicator, numerator, denominator,
                factor * numerator / nullif(denominator, 0) as value
            from paired
            union all
            select level, area, period, reference_date, 'population', value, null, value
            from counted where measure = 'population'
            union all
            select
                today.level, today.area, today.period, today.reference_date, 'population_change', null, null,
                100.0 * (today.value - before.value) / nullif(before.value, 0)
            from counted as today
            left join counted as before
                on before.measure = 'population' and before.level = today.level and before.area = today.area
                and before.reference_date = today.reference_date - interval 5 year
            where today.measure = 'population'
            order by all
        ) to '{output}' (format parquet)
        """
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {Path(__file__).name} COUNTY_DIR OUTPUT.parquet")
    main(Path(sys.argv[1]), Path(sys.argv[2]))

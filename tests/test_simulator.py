"""The simulator of department deliveries: same bytes for the same seed, coherent lives, true truth, dirt that
is what it says.

Writes into pytest's temporary folders only. The recount reads the delivered files with its own SQL: own
column names, own placing of addresses on areas; it shares no code with the simulator.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pytest
import shapely
import yaml

from sources.simulator.__main__ import main
from sources.simulator.dirt import NAMES
from sources.simulator.run import simulate
from sources.simulator.spec import read_layouts, read_region
from sources.simulator.territory import build_territory

SPECIFICATIONS = Path(__file__).parents[1] / "sources" / "simulator"
KREIS = SPECIFICATIONS / "musterkreis.yml"
CITY = SPECIFICATIONS / "musterstadt.yml"
YEARS = range(2019, 2025)

# How each software writes: (einwohner files, bewegungen files, delimiter, encoding, SQL by field)
SOFTWARE = {
    "meldis": (
        "bestand_*.csv",
        "bewegung_*.csv",
        ";",
        "utf-8",
        {
            "id": "LFDNR",
            "key": "STRSCHL",
            "number": "HNR",
            "suffix": "HNRZUS",
            "birth": "strptime(GEBDAT, '%Y%m%d')::date",
            "foreign": "STAAT1 <> '000'",
            "female": "GESCHL = 'w'",
            "migration": "MIGRA <> '0'",
            "main": "WOHNST = 'H'",
        },
        {
            "id": "LFDNR",
            "kind": "BEWART",
            "old_key": "STRSCHL_ALT",
            "old_number": "HNR_ALT",
            "old_suffix": "HNRZUS_ALT",
            "new_key": "STRSCHL_NEU",
            "new_number": "HNR_NEU",
            "new_suffix": "HNRZUS_NEU",
        },
    ),
    "ewoplus": (
        "ewo_????_12.csv",
        "ewo_bewegungen_*.csv",
        ",",
        "utf-8",
        {
            "id": "pseudonym",
            "key": "right(strassen_id, 5)",
            "number": "hausnummer",
            "suffix": "zusatz",
            "birth": "geburtsdatum::date",
            "foreign": "staatsangehoerigkeit <> 'DE'",
            "female": "geschlecht = '2'",
            "migration": "mhg <> '0'",
            "main": "wohnungsstatus = '1'",
        },
        {
            "id": "pseudonym",
            "kind": "case art when 'geburt' then 'G' when 'sterbefall' then 'S' else upper(art[1]) end",
            "old_key": "right(von_strassen_id, 5)",
            "old_number": "von_hausnummer",
            "old_suffix": "von_zusatz",
            "new_key": "right(nach_strassen_id, 5)",
            "new_number": "nach_hausnummer",
            "new_suffix": "nach_zusatz",
        },
    ),
    "okreg": (
        "EINW*.TXT",
        "BEW*.TXT",
        ";",
        "latin-1",
        {
            "id": "Lfd",
            "key": '"Schlüssel"',
            "number": "regexp_extract(Hausnr, '[0-9]+')",
            "suffix": "nullif(regexp_extract(Hausnr, '[a-z]'), '')",
            "birth": "strptime(\"Geb-Datum\", '%d.%m.%Y')::date",
            "foreign": "Staatsang <> '000'",
            "female": "Geschlecht = 'w'",
            "migration": "Migration <> 'ohne'",
            "main": "Wohnung = 'HW'",
        },
        {
            "id": "Lfd",
            "kind": "Vorgang",
            "old_key": '"Schlüssel alt"',
            "old_number": "regexp_extract(\"Hausnr alt\", '[0-9]+')",
            "old_suffix": "nullif(regexp_extract(\"Hausnr alt\", '[a-z]'), '')",
            "new_key": '"Schlüssel neu"',
            "new_number": "regexp_extract(\"Hausnr neu\", '[0-9]+')",
            "new_suffix": "nullif(regexp_extract(\"Hausnr neu\", '[a-z]'), '')",
        },
    ),
    "adress21": (
        "Personenbestand *.tsv",
        "Bewegungen *.tsv",
        "\t",
        "utf-8",
        {
            "id": "ID",
            "key": "lpad(\"Straßenschlüssel\", 5, '0')",
            "number": "Hausnummer",
            "suffix": "Buchstabe",
            "birth": "Geburtstag::date",
            "foreign": "\"Staatsangehörigkeit\" <> '000'",
            "female": "Geschlecht = 'weiblich'",
            "migration": "Migrationshintergrund <> '0'",
            "main": "Hauptwohnung = 'ja'",
        },
        {
            "id": "ID",
            "kind": "case Art when 'Tod' then 'S' when 'Wegzug' then 'F' else Art[1] end",
            "old_key": "lpad(\"Straßenschlüssel alt\", 5, '0')",
            "old_number": '"Hausnummer alt"',
            "old_suffix": '"Buchstabe alt"',
            "new_key": "lpad(\"Straßenschlüssel neu\", 5, '0')",
            "new_number": '"Hausnummer neu"',
            "new_suffix": '"Buchstabe neu"',
        },
    ),
}


# ---------------------------------------------------------------- what is simulated once


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    simulate(KREIS, folder, seed=5, size=0.03, dirt=())
    return folder


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dirty")
    simulate(KREIS, folder, seed=5, size=0.03, dirt=NAMES)
    return folder


@pytest.fixture(scope="module")
def tiny_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The city with 1,500 residents: enough to see sizes, seeds and switches."""
    content = yaml.safe_load(CITY.read_text(encoding="utf-8"))
    content["municipalities"][0]["residents"] = 1500
    content["territory"]["thin_residents"] = 5
    path = tmp_path_factory.mktemp("specification") / "musterstadt.yml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tiny_dirty(tiny_city: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    simulate(tiny_city, folder, seed=3)
    return folder


@pytest.fixture(scope="module")
def recount(clean: Path) -> duckdb.DuckDBPyConnection:
    """Tables `person`, `event`, `truth` and the placing macro, from the clean files."""
    return recounted(clean, KREIS, "2022")


def recounted(folder: Path, specification: Path, edition: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    truth = folder / "truth" / "counts.parquet"
    con.execute(f"create table truth as select * from '{truth}' where edition = '{edition}'")
    register = next(folder.glob(f"inbox/*/strassenraster/strassenraster_{edition}.csv"))
    con.execute(f"create table street_range as {read(register, ';', 'utf-8')}")
    persons, events = [], []
    for municipality in yaml.safe_load(specification.read_text(encoding="utf-8"))["municipalities"]:
        stock, moves, delimiter, encoding, person, event = SOFTWARE[municipality["software"]]
        for pattern, source, fields, found in (
            (stock, "einwohner", person, persons),
            (moves, "bewegungen", event, events),
        ):
            columns = ", ".join(f"{expression} as {name}" for name, expression in fields.items())
            files = folder / "inbox" / municipality["ags"] / source / pattern
            year = "regexp_extract(parse_filename(filename), '20[0-9][0-9]')::int as year"
            found.append(
                f"select '{municipality['ags']}' as ags, {year}, {columns} from ({read(files, delimiter, encoding)})"
            )
    con.execute(f"create table person as {' union all by name '.join(persons)}")
    con.execute(f"create table event as {' union all by name '.join(events)}")
    for table, prefix in (("person", ""), ("event", "old_"), ("event", "new_")):
        con.execute(f"create table {table}_{prefix}placed as {placed(table, prefix)}")
    return con


def read(path: Path, delimiter: str, encoding: str) -> str:
    return (
        f"select * from read_csv('{path}', delim = '{delimiter}', quote = '\"', header = true, "
        "all_varchar = true, "
        f"encoding = '{encoding}', filename = true, union_by_name = true)"
    )


def placed(table: str, prefix: str = "") -> str:
    """The rows of a table with the area of their address; a row is lost or doubled if the register is not
    unique.
    """
    return f"""
        select rows.*, street_range.gebiet as area
        from {table} as rows
        inner join street_range
            on rows.ags = street_range.ags
            and rows.{prefix}key = street_range.strassenschluessel
            and street_range.seite in ('beide', if(rows.{prefix}number::int % 2 = 1, 'u', 'g'))
            and row(rows.{prefix}number::int, coalesce(rows.{prefix}suffix, ''))
                between row(hnr_von::int, coalesce(hnr_zusatz_von, ''))
                and row(hnr_bis::int, coalesce(hnr_zusatz_bis, 'z'))
    """


def tally(measure: str, period: str, table: str, condition: str) -> str:
    """The number of rows of a table (or of a query in brackets) by area and period."""
    return (
        f"select area, {period} as period, '{measure}' as measure, count(*) as value "
        f"from {table} where {condition} group by all"
    )


def differences(con: duckdb.DuckDBPyConnection, counted: str, measures: list[str]) -> list[tuple[object, ...]]:
    """Rows `area, period, measure, value` that the truth does not have, or the other way round."""
    names = ", ".join(f"'{measure}'" for measure in measures)
    con.execute(
        "create or replace temp table counted as "
        f"select area, period, measure, value::bigint as value from ({counted}) where value <> 0"
    )
    con.execute(
        "create or replace temp table expected as select area, period, measure, value from truth "
        f"where level in ('wohnplatz', 'sozialraum') and measure in ({names}) and value <> 0"
    )
    assert con.execute("select count(*) from counted").fetchone()[0] > 0
    return con.execute("(from counted except from expected) union all (from expected except from counted)").fetchall()


# ---------------------------------------------------------------- the same seed


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_a_new_run_replaces_the_old(
    tiny_city: Path, tiny_dirty: Path, tmp_path: Path
) -> None:
    simulate(tiny_city, tmp_path, seed=3)
    first = fingerprint(tmp_path)
    assert first == fingerprint(tiny_dirty)
    assert any("_v2" in name for name in first)
    simulate(tiny_city, tmp_path, seed=4, dirt=())
    other = fingerprint(tmp_path)
    assert not any("_v2" in name for name in other)
    assert first["inbox/03499000/einwohner/EINW2019.TXT"] != other["inbox/03499000/einwohner/EINW2019.TXT"]


def test_the_size_factor_multiplies_the_residents(tiny_city: Path, tmp_path: Path) -> None:
    simulate(tiny_city, tmp_path, seed=3, size=2.5, dirt=())
    con = recounted(tmp_path, tiny_city, "2020")
    number, ids = con.execute("select count(*), count(distinct id) from person where main and year = 2019").fetchone()
    assert number == ids
    assert 3750 * 0.95 < number < 3750 * 1.05
    counted = tally("population", "year || '-12-31'", "person_placed", "main")
    assert differences(con, counted, ["population"]) == []


# ---------------------------------------------------------------- lives


def test_every_person_is_explained_by_events(recount: duckdb.DuckDBPyConnection) -> None:
    """Who is there at the end of a year was there at its begin or came, and has not left."""
    unexplained = recount.execute("""
        with after as (select id, year from person where main and year > 2019),
        before as (select id, year + 1 as year from person where main and year < 2024),
        came as (select id, year from event where kind in ('G', 'Z') and year > 2019),
        went as (select id, year from event where kind in ('S', 'F') and year > 2019),
        expected as ((from before union all from came) except all from went)
        (from after except all from expected) union all (from expected except all from after)
    """).fetchall()
    assert unexplained == []


def test_the_balance_holds_in_every_area(recount: duckdb.DuckDBPyConnection) -> None:
    broken = recount.execute("""
        with change as (
            select area, year, count(*) as persons from person_placed where main group by all
            union all by name
            select area, year + 1 as year, -count(*) as persons from person_placed
            where main and year < 2024 group by all
            union all by name
            select area, year, -count(*) as persons from event_new_placed group by all
            union all by name
            select area, year, count(*) as persons from event_old_placed group by all
        )
        select area, year, sum(persons) as left_over from change
        where year > 2019 group by all having left_over <> 0
    """).fetchall()
    assert broken == []


def test_nobody_has_two_events_in_a_year_and_everybody_is_listed_once(
    recount: duckdb.DuckDBPyConnection,
) -> None:
    assert recount.execute("select id from event group by id, year having count(*) > 1").fetchall() == []
    assert recount.execute("select id from person group by id, year having count(*) > 1").fetchall() == []


def test_people_age_by_their_birth_date(recount: duckdb.DuckDBPyConnection) -> None:
    assert recount.execute("select id from person group by id having count(distinct birth) > 1").fetchall() == []


def test_rates_are_those_of_a_german_place(clean: Path) -> None:
    """Events of a year and groups of residents, per 1,000 residents."""
    with duckdb.connect() as con:
        counted = dict(
            con.execute(f"""
                select measure, sum(value) from '{clean}/truth/counts.parquet'
                where level = 'kreis' and edition = '2022' group by measure
            """).fetchall()
        )
    per_thousand = {name: 1000 * value / counted["population"] for name, value in counted.items()}
    expected = {
        "births": (7, 12),
        "deaths": (9, 16),
        "arrivals": (30, 70),
        "departures": (25, 60),
        "population_under_18": (160, 210),
        "population_65_plus": (190, 260),
        "population_foreign": (100, 210),
        "sgb2_persons": (40, 100),
        "employed": (330, 430),
        "households": (480, 560),
    }
    assert {
        name: per_thousand[name] for name, (low, high) in expected.items() if not low < per_thousand[name] < high
    } == {}


def test_poverty_is_correlated_in_space_and_with_benefits(clean: Path) -> None:
    territory = build_territory(read_region(KREIS), read_layouts().streets, seed=5)
    centres = shapely.get_coordinates(shapely.centroid(territory.blocks))
    distance = ((centres[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    neighbour = territory.poverty[distance.argmin(axis=1)]
    assert np.corrcoef(territory.poverty, neighbour)[0, 1] > 0.6
    with duckdb.connect() as con:
        counted = (
            con.execute(f"""
            pivot (select block, measure, value from '{clean}/truth/blocks.parquet'
                where period = '2022-12-31' and measure in ('population', 'sgb2_persons'))
            on measure using sum(value)
        """)
            .df()
            .set_index("block")
            .reindex(territory.block_keys)
            .fillna(0)
        )
    poor = territory.poverty > 0.7
    well_off = territory.poverty < -0.7
    poor_share, share = (
        counted["sgb2_persons"][part].sum() / counted["population"][part].sum() for part in (poor, well_off)
    )
    assert poor_share > 3 * share > 0


# ---------------------------------------------------------------- truth


def test_truth_of_the_population(recount: duckdb.DuckDBPyConnection) -> None:
    measures = {
        "population": "true",
        "population_under_3": "age < 3",
        "population_3_to_5": "age between 3 and 5",
        "population_under_18": "age < 18",
        "population_20_to_64": "age between 20 and 64",
        "population_65_plus": "age >= 65",
        "population_80_plus": "age >= 80",
        "population_foreign": '"foreign"',
        "population_female": "female",
        "population_migration": "migration",
    }
    aged = """(
        select *, year || '-12-31' as period, date_sub('year', birth, make_date(year, 12, 31)) as age
        from person_placed where main
    )"""
    counted = " union all ".join(tally(measure, "period", aged, condition) for measure, condition in measures.items())
    counted += f" union all select area, period, 'age_sum' as measure, sum(age) as value from {aged} group by all"
    assert differences(recount, counted, [*measures, "age_sum"]) == []


def test_truth_of_the_events(recount: duckdb.DuckDBPyConnection) -> None:
    sources = {
        "births": ("new", "G"),
        "deaths": ("old", "S"),
        "arrivals": ("new", "Z"),
        "departures": ("old", "F"),
        "relocations_in": ("new", "U"),
        "relocations_out": ("old", "U"),
    }
    counted = " union all ".join(
        tally(measure, "year::varchar", f"event_{end}_placed", f"kind = '{kind}'")
        for measure, (end, kind) in sources.items()
    )
    crossing = """
        select {side}.area as area, event.year::varchar as period, '{measure}' as measure, count(*) as value
        from event_old_placed as event
        inner join event_new_placed as arrived on event.id = arrived.id and event.year = arrived.year
        where event.kind = 'U' and event.area <> arrived.area group by all
    """
    counted += " union all " + crossing.format(side="arrived", measure="relocations_in_from_other_area")
    counted += " union all " + crossing.format(side="event", measure="relocations_out_to_other_area")
    assert (
        differences(recount, counted, [*sources, "relocations_in_from_other_area", "relocations_out_to_other_area"])
        == []
    )


AGE = "date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, right(stem, 10)::date)"
CASE_SOURCES = {
    "hilfen_zur_erziehung": (
        "hze_*.csv",
        "right(stem, 4)",
        {"help_cases": "true", "help_cases_without_counselling": "hilfeart <> '§ 28'"},
    ),
    "kita_kinder": (
        "*.csv",
        "right(stem, 10)",
        {
            "care_under_3": f"{AGE} < 3",
            "care_3_to_5": f"{AGE} between 3 and 5",
        },
    ),
    "schuluebergaenge": (
        "*.csv",
        "right(stem, 4)",
        {"transitions": "true", "transitions_grammar_school": "uebergang = 'GY'"},
    ),
    "schuleingangsuntersuchung": (
        "*.csv",
        "right(stem, 4)",
        {
            "examined": "true",
            "examined_language_abnormal": "sopess_sprache = 'auffällig'",
            "examined_obesity": "adipositas = 'ja'",
            "examined_booklet": "heft_vorgelegt = 'ja'",
            "examined_checks_complete": "u8 = 'ja' and u9 = 'ja'",
        },
    ),
    "sgb_xii": (
        "*.csv",
        "right(stem, 10)",
        {
            "subsistence_outside": "kapitel = '3' and einrichtung = 'nein'",
            "basic_security_outside": "kapitel = '4' and einrichtung = 'nein'",
            "basic_security_outside_65_plus": "kapitel = '4' and einrichtung = 'nein' "
            "and date_sub('year', strptime(geburtsdatum, '%d.%m.%Y')::date, right(stem, 10)::date) >= 65",
        },
    ),
    "asylblg": ("*.csv", "right(stem, 10)", {"asylum_benefits": "true"}),
    "wohngeld": ("*.csv", "right(stem, 10)", {"housing_benefit_households": "true"}),
}


@pytest.mark.parametrize("source", CASE_SOURCES)
def test_truth_of_the_departments(recount: duckdb.DuckDBPyConnection, clean: Path, source: str) -> None:
    pattern, period, measures = CASE_SOURCES[source]
    encoding = "latin-1" if source == "schuluebergaenge" else "utf-8"
    rows = f"""
        select *, strassenschluessel as key, hausnummer as number, zusatz as suffix,
            parse_filename(filename, true) as stem
        from ({read(clean / "inbox" / "kreis" / source / pattern, ";", encoding)})
    """
    recount.execute(f"create or replace temp table cases as {rows}")
    counted = " union all ".join(
        tally(measure, period, f"({placed('cases')})", condition) for measure, condition in measures.items()
    )
    assert differences(recount, counted, list(measures)) == []


def test_truth_of_the_households(recount: duckdb.DuckDBPyConnection, clean: Path) -> None:
    files = clean / "inbox" / "*" / "haushalte" / "*.csv"
    recount.execute(f"""
        create or replace temp table cases as
        select *, strschl as key, hnr as number, hnrzus as suffix,
            right(parse_filename(filename, true), 10) as period
        from ({read(files, ";", "utf-8")})
    """)
    names = {
        "HH": "households",
        "HH_1pers": "households_size_1",
        "HH_0kind": "households_children_0",
        "HH_alleinerz": "households_single_parent",
        "HH_single_ab65": "households_single_65_plus",
    }
    counted = " union all ".join(
        f"select area, period, '{measure}' as measure, sum({column}::int) as value "
        f"from ({placed('cases')}) group by all"
        for column, measure in names.items()
    )
    assert differences(recount, counted, list(names.values())) == []
    broken = recount.execute("""
        select count(*) from cases
        where HH::int <> HH_1pers::int + HH_2pers::int + HH_3pers::int + HH_4pers::int + HH_ab5pers::int
            or HH::int <> HH_0kind::int + HH_1kind::int + HH_2kind::int + HH_ab3kind::int
            or HH::int <> HH_1pers::int + HH_alleinerz::int + HH_paarohne::int + HH_paarmit::int
                + HH_andere::int
            or HH_1pers::int <> HH_single_u35::int + HH_single_35b64::int + HH_single_ab65::int
    """).fetchone()
    assert broken == (0,)


def test_truth_of_the_employment_agency(clean: Path) -> None:
    """In the edition in force; what is withheld is marked in the truth, everything else is equal."""
    for year in YEARS:
        edition = "2015" if year < 2022 else "2022"
        path = clean / "inbox" / "kreis" / "arbeitsagentur" / f"akg_{year}-12-31_gebiete.csv"
        with duckdb.connect() as con:
            wrong = con.execute(f"""
                select delivered.gebiet from ({read(path, ";", "utf-8")}) as delivered
                full join (
                    from '{clean}/truth/counts.parquet'
                    where measure = 'sgb2_persons' and level = 'wohnplatz' and edition = '{edition}'
                        and period = '{year}-12-31'
                ) as truth on delivered.gebiet = truth.area
                where delivered.lb is distinct from if(truth.hidden_at_source, '*', truth.value::varchar)
            """).fetchall()
            rows = con.execute(f"select count(*) from ({read(path, ';', 'utf-8')})").fetchone()
        assert wrong == []
        assert rows == (87 if year < 2022 else 81,)


def test_truth_of_the_ballots(clean: Path) -> None:
    """Votes at the urn are those of the district; votes by post appear in postal districts, where nobody is
    eligible.
    """
    files = clean / "inbox" / "*" / "wahlen" / "bundestagswahl_*.csv"
    with duckdb.connect() as con:
        con.execute(f"create table ballot as {read(files, ';', 'utf-8')}")
        wrong = con.execute(f"""
            select * from ballot inner join '{clean}/truth/polling_districts.parquet' as truth
                on ballot.ags = truth.ags and ballot."gebiet-nr" = truth.district
                and truth.election = 'bundestagswahl'
            where ballot.A::int <> truth.a or ballot.B::int <> truth.b or truth.b > truth.voters
                or ballot.B::int <> ballot.C::int + ballot.D::int
                or ballot.D::int <> ballot.D1::int + ballot.D2::int + ballot.D3::int + ballot.D4::int
                    + ballot.D5::int + ballot.D6::int
        """).fetchall()
        voters = con.execute("select sum(B::int) from ballot").fetchone()
        postal = con.execute("select count(*), sum(A::int) from ballot where \"gebiet-nr\" like '9%'").fetchone()
        truth = con.execute(f"""
            select sum(value) from '{clean}/truth/counts.parquet'
            where measure = 'voters' and period = '2021-09-26' and level = 'kreis' and edition = '2022'
        """).fetchone()
    assert wrong == []
    assert voters == truth
    assert postal is not None
    assert postal[0] > 0
    assert postal[1] == 0


def test_both_editions_have_the_same_totals(clean: Path) -> None:
    with duckdb.connect() as con:
        different = con.execute(f"""
            select period, measure from '{clean}/truth/counts.parquet'
            where level = 'wohnplatz' and not measure like '%other_area'
            group by all having sum(value) filter (edition = '2015') <> sum(value) filter (edition = '2022')
        """).fetchall()
    assert different == []


# ---------------------------------------------------------------- land and layouts


def test_areas_tessellate_with_an_enclave_and_parts(clean: Path) -> None:
    for edition, number in (("2015", 87), ("2022", 81)):
        areas = geopandas.read_file(clean / "geo" / f"wohnplatz_{edition}.gpkg")
        assert len(areas) == number
        assert areas.crs.to_epsg() == 25832
        assert areas.is_valid.all()
        assert areas.area.sum() == pytest.approx(shapely.union_all(areas.geometry.to_numpy()).area, abs=1)
        shapes = areas.set_index("key").geometry
        host = shapely.get_parts(shapes["00409"])
        assert any(
            shapely.Polygon(ring).contains(shapes["00411"].representative_point())
            for part in host
            for ring in part.interiors
        )
        assert len(shapely.get_parts(shapes["01605"])) == 2
        assert areas["thin"].sum() == 5
    assert len(geopandas.read_file(clean / "geo" / "gemeinde.geojson")) == 8


def test_the_city_has_four_nested_levels(tiny_dirty: Path) -> None:
    files = [
        tiny_dirty / "geo" / f"{level}_2020.gpkg"
        for level in ("sozialraum", "statistischer_bezirk", "stadtbereich", "stadtgebiet")
    ]
    levels = [geopandas.read_file(file) for file in files]
    assert [len(level) for level in levels] == [52, 19, 6, 1]
    assert levels[1]["name"].is_unique
    assert levels[0]["name"].is_unique
    for fine, coarse in pairwise(levels):
        inside = fine.geometry.representative_point().to_frame("geometry").sjoin(coarse, predicate="within")
        assert len(inside) == len(fine)
        if coarse["key"].str.len().max() < 8:
            assert [a.startswith(b) for a, b in zip(fine.loc[inside.index, "key"], inside["key"], strict=True)] == [
                True
            ] * len(fine)


HOUSE_COORDINATE_FIELDS = (
    *("nba", "oi", "qua", "lan", "rbz", "krs", "gmd", "ott", "sss", "hnr", "adz"),
    *("ost", "nord", "stn", "plz", "onm", "zon", "pot"),
)


def test_house_coordinates_lie_in_the_block_of_the_street_register(clean: Path) -> None:
    names = HOUSE_COORDINATE_FIELDS
    register = clean / "inbox" / "kreis" / "strassenraster" / "strassenraster_2022.csv"
    lines = (clean / "inbox" / "kreis" / "hauskoordinaten" / "hk_2024.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(";") for line in lines if not line.startswith("#")]
    assert {len(row) for row in rows} == {len(names)}
    sample = [dict(zip(names, row, strict=True)) for row in rows[::400]]
    blocks = geopandas.read_file(clean / "geo" / "blocks.gpkg").set_index("key").geometry
    with duckdb.connect() as con:
        con.execute(f"create table street_range as {read(register, ';', 'utf-8')}")
        con.execute("create table house (ags text, key text, number text, suffix text, x double, y double)")
        con.executemany(
            "insert into house values (?, ?, ?, ?, ?, ?)",
            [
                [
                    h["lan"] + h["rbz"] + h["krs"] + h["gmd"],
                    h["sss"],
                    h["hnr"],
                    h["adz"] or None,
                    float(h["ost"].removeprefix("32").replace(",", ".")),
                    float(h["nord"].replace(",", ".")),
                ]
                for h in sample
            ],
        )
        found = con.execute(
            f"select block, x, y from ({placed('house').replace('rows.*', 'rows.*, block')})"
        ).fetchall()
    assert len(found) == len(sample)
    assert all(blocks[block].contains(shapely.Point(x, y)) for block, x, y in found)


def test_census_grid_has_the_layout_and_true_order_of_size(clean: Path) -> None:
    path = clean / "inbox" / "kreis" / "zensus_gitter" / "Zensus2022_Bevoelkerungszahl_100m-Gitter.csv"
    with duckdb.connect() as con:
        wrong, cells, shown, true = con.execute(f"""
            select
                count(*) filter (
                    GITTER_ID_100m <> printf('CRS3035RES100mN%dE%d', y_mp_100m::int - 50, x_mp_100m::int - 50)
                ),
                count(*), sum(Einwohner::int), (select sum(residents) from '{clean}/truth/grid.parquet')
            from ({read(path, ";", "utf-8")}) inner join '{clean}/truth/grid.parquet' on cell = GITTER_ID_100m
        """).fetchone()
    assert wrong == 0
    assert cells > 500
    assert shown == pytest.approx(true, rel=0.1)


# ---------------------------------------------------------------- dirt


def touches(folder: Path, name: str) -> list[tuple[str, int, str | None, str | None, str | None, int]]:
    with duckdb.connect() as con:
        return con.execute(
            f"select path, line, \"column\", before, after, rows from '{folder}/truth/dirt.parquet' where dirt = ?",
            [name],
        ).fetchall()


def test_files_that_no_dirt_names_are_untouched(clean: Path, dirty: Path) -> None:
    with duckdb.connect() as con:
        touched = {row[0] for row in con.execute(f"select distinct path from '{dirty}/truth/dirt.parquet'").fetchall()}
    before, after = fingerprint(clean), fingerprint(dirty)
    changed = {name for name in before if before[name] != after.get(name)} - {
        "truth/dirt.parquet",
        "truth/deliveries.parquet",
    }
    assert changed == touched
    second = {name for name in set(after) - set(before) if not name.startswith("later/")}
    assert all(before[name.replace("_v2", "").replace("_revidiert", "")] == after[name] for name in second)
    assert len(second) == 4


def test_every_kind_of_dirt_occurs(dirty: Path) -> None:
    assert [name for name in NAMES if not touches(dirty, name)] == []


@pytest.mark.parametrize(
    "path",
    [
        "inbox/05399016/einwohner/Personenbestand 2021-12-31.tsv",
        "inbox/05399016/einwohner/Personenbestand 2023-12-31.tsv",
        "inbox/05399020/einwohner/bestand_20221231.csv",
        "inbox/05399028/einwohner/EINW2020.TXT",
        "inbox/05399028/einwohner/EINW2022.TXT",
        "inbox/05399024/einwohner/ewo_2023_12.csv",
        "inbox/kreis/hilfen_zur_erziehung/hze_2023.csv",
        "inbox/kreis/sgb_xii/sgbxii_2022-12-31.csv",
    ],
)
def test_row_dirt_changes_the_listed_cells_and_nothing_else(clean: Path, dirty: Path, path: str) -> None:
    """Replaying the list of touches on the clean file gives the soiled file, byte by byte."""
    encoding = "cp1252" if path.endswith("TXT") else "utf-8"
    lines = (clean / path).read_bytes().decode(encoding).splitlines(keepends=True)
    delimiter = "\t" if path.endswith("tsv") else ";"
    header = lines[0].lstrip("\ufeff").rstrip("\n").split(delimiter)
    taken: dict[int, str] = {}
    for name in (
        "duplicate_persons",
        "impossible_birth_dates",
        "unknown_birth_days",
        "unknown_street",
        "address_off_register",
        "wrong_municipality",
        "corrected_second_version",
    ):
        for _, line, column, before, after, _ in (
            touch for touch in touches(dirty, name) if touch[0] == path and touch[1] > 0
        ):
            assert taken.setdefault(line, name) == name
            if name == "duplicate_persons":
                lines[line - 1] *= 2
            elif name == "corrected_second_version":
                lines[line - 1] = ""
            else:
                cells = lines[line - 1].rstrip("\n").split(delimiter)
                assert cells[header.index(column)] == (before or "")
                cells[header.index(column)] = after
                lines[line - 1] = delimiter.join(cells) + "\n"
    assert taken
    assert "".join(lines) == (dirty / path).read_bytes().decode(encoding)


def test_encodings(clean: Path, dirty: Path) -> None:
    for name, encoding in (("cp1252", "cp1252"), ("bom", "utf-8-sig")):
        for path, *_ in touches(dirty, name):
            text = (clean / path).read_bytes().decode("utf-8")
            assert (dirty / path).read_bytes() == text.encode(encoding)


@pytest.mark.parametrize(
    "name",
    ["decimal_comma", "lost_leading_zeros", "changed_code_list", "column_swap", "symbols", "revised_history"],
)
def test_column_dirt_stays_in_its_columns(clean: Path, dirty: Path, name: str) -> None:
    expected = {
        "decimal_comma": lambda cell, row: cell.replace(".", ","),
        "lost_leading_zeros": lambda cell, row: cell.lstrip("0"),
        "changed_code_list": lambda cell, row: {
            "GY": "20",
            "GE": "15",
            "RS": "10",
            "HS": "05",
            "FO": "30",
            "SK": "14",
        }[cell],
        "column_swap": None,
        "symbols": None,
        "revised_history": None,
    }[name]
    columns: dict[str, list[str]] = {}
    for path, _, column, *_ in touches(dirty, name):
        columns.setdefault(path, []).extend([column] if column else [])
    for path, touched in columns.items():
        encoding = "utf-8" if path.startswith("inbox/kreis") and "uebergaenge" not in path else "cp1252"
        before, after = (
            [line.split(";") for line in (folder / path).read_bytes().decode(encoding).splitlines()]
            for folder in (clean, dirty)
        )
        header, after = before[0], after[: len(before)]
        changed = {
            header[i] for old, new in zip(before, after, strict=True) for i in range(len(header)) if old[i] != new[i]
        }
        assert changed <= set(touched)
        assert changed
        if expected is not None:
            positions = [header.index(column) for column in touched]
            assert all(
                new[i] == expected(old[i], old)
                for old, new in zip(before[1:], after[1:], strict=True)
                for i in positions
            )


def test_column_swap_symbols_and_revision(clean: Path, dirty: Path) -> None:
    path = "inbox/05399028/haushalte/Haushalte_2022-12-31.csv"
    old, new = (
        [line.split(";") for line in (folder / path).read_text(encoding="utf-8").splitlines()]
        for folder in (clean, dirty)
    )
    first, second = old[0].index("HH_1kind"), old[0].index("HH_2kind")
    assert all((a[first], a[second]) == (b[second], b[first]) for a, b in zip(old[1:], new[1:], strict=True))
    path = "inbox/kreis/arbeitsagentur/akg_2022-12-31_gebiete.csv"
    text = (clean / path).read_text(encoding="utf-8")
    cells = [line.split(";") for line in text.splitlines()]
    replaced = [[{"*": ".", "0": "-"}.get(cell, cell) for cell in line] for line in cells]
    assert (dirty / path).read_text(encoding="utf-8").splitlines() == [";".join(line) for line in replaced]
    path = "inbox/kreis/arbeitsagentur/akg_2021-12-31_gebiete.csv"
    lower = sum(
        int(b.split(";")[9]) < int(a.split(";")[9])
        for a, b in zip(
            (clean / path).read_text(encoding="utf-8").splitlines()[1:],
            (dirty / path).read_text(encoding="utf-8").splitlines()[1:],
            strict=True,
        )
        if "*" not in a
    )
    assert lower > 0


def test_footer_truncation_and_lateness(clean: Path, dirty: Path) -> None:
    path = "inbox/kreis/arbeitsagentur/akg_2020-12-31_gebiete.csv"
    assert (dirty / path).read_text(encoding="utf-8").splitlines()[-1].startswith("Erstellt für den Stichtag")
    ((path, *_, rows),) = touches(dirty, "truncated")
    before, after = (clean / path).read_bytes(), (dirty / path).read_bytes()
    assert before.startswith(after)
    assert not after.endswith(b"\n")
    assert before.count(b"\n") - after.count(b"\n") == rows
    ((path, *_),) = touches(dirty, "late_delivery")
    assert not (dirty / path).exists()
    assert (dirty / path.replace("inbox", "later", 1)).read_bytes() == (clean / path).read_bytes()


def test_a_switch_moves_no_other_dirt(tiny_city: Path, tiny_dirty: Path, tmp_path: Path) -> None:
    simulate(tiny_city, tmp_path, seed=3, dirt=["duplicate_persons"])
    assert touches(tmp_path, "duplicate_persons") == touches(tiny_dirty, "duplicate_persons") != []
    assert touches(tmp_path, "address_off_register") == []


# ---------------------------------------------------------------- usage


def test_wrong_specification_and_usage_are_refused(
    tiny_city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(tiny_city.read_text(encoding="utf-8"))
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(yaml.safe_dump({**content, "colour": "blue"}), encoding="utf-8")
    assert main([str(wrong), str(tmp_path / "out")]) == 2
    assert "wrong.yml" in (message := capsys.readouterr().err)
    assert "colour" in message
    assert main([str(tiny_city), str(tmp_path / "out"), "--dirt", "mud"]) == 2
    assert "mud" in capsys.readouterr().err
    content["dirt"] = [
        {"name": "column_swap", "sender": "03499000", "source": "einwohner", "periods": [], "fields": ["sex"]}
    ]
    wrong.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert main([str(wrong), str(tmp_path / "out")]) == 2
    assert "exactly two fields" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

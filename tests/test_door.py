"""The HTTP door: what it answers, to whom, how often, and from which release; and what it refuses.

A real server on this computer answers from made-up releases whose names attack those who open them.
Oracles: GDAL's driver for OGC API – Features, GeoPandas for coordinates, schemathesis for the description.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import duckdb
import geopandas as gpd
import pytest
import report_marts
import schemathesis
import shapely
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from dagster_project import cli, door
from dagster_project.declarations.sharing import Sharing
from dagster_project.door import features, limits, standing, tokens
from dagster_project.door.parameters import MOST_FEATURES, MOST_VALUES, ItemsAsked
from dagster_project.door.standing import Area
from dagster_project.settings import region_data

TODAY = date(2026, 3, 1)
EVERYBODY = [("alle", "values", "*", "bezirk"), ("alle", "values", "*", "stadt")]
GRANTED = [
    *EVERYBODY,
    ("nord", "values", "05", "viertel"),
    ("nord", "comparisons", "*", "viertel"),
    ("frueher", "values", "*", "viertel"),
    ("zwei", "values", "05", "viertel"),
    ("zwei", "values", "06", "bezirk"),
]


def declared(everybody: bool = True) -> Sharing:
    from test_recipients import SHARING

    return Sharing.model_validate(
        {
            **SHARING,
            "recipients": [
                {"id": "alle", "name": "Alle", "everybody": everybody},
                {"id": "nord", "name": "Stadt Nord"},
                {"id": "frueher", "name": "Hatte einmal ein Recht"},
                {"id": "zwei", "name": "Zwei Ebenen in zwei Gemeinden"},
            ],
            "entitlements": [
                {"recipient": recipient, "product": product, "municipality": town, "level": level, "purpose": "Planung",
                 "valid_from": "2020-01-01", "valid_to": "2020-12-31" if recipient == "frueher" else None}
                for recipient, product, town, level in GRANTED
            ],
        }
    )  # fmt: skip


@cache
def marts() -> bytes:
    """A database whose second district lies in another municipality."""
    with tempfile.TemporaryDirectory() as folder:
        path = report_marts.write_marts(Path(folder) / "marts.duckdb")
        with duckdb.connect(str(path)) as connection:
            connection.execute("alter table mart_area add column area_type_name varchar")
            for table in ("mart_area", "mart_indicator_value"):
                connection.execute(f"update {table} set municipality = '06' where area like '2%'")
        return path.read_bytes()


def write_release(folder: Path, change: str = "") -> Path:
    """A release, to which `change` is done before anybody sees it."""
    folder.mkdir(parents=True)
    (folder / "marts.duckdb").write_bytes(marts())
    if change:
        with duckdb.connect(str(folder / "marts.duckdb")) as connection:
            connection.execute(change)
    return folder


@dataclass
class Place:
    """Releases, tokens, and a server that answers from them."""

    root: Path
    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def token_file(self) -> Path:
        return self.root / "tokens.json"

    def flip(self, release: str) -> None:
        """As the release step does it."""
        link = self.root / ".current"
        link.symlink_to(Path("releases") / release)
        link.replace(self.current)

    def get(
        self,
        path: str,
        who: str = "",
        *,
        method: str = "GET",
        source: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        shown = {"Authorization": f"Bearer {self.tokens.get(who, who)}"} if who else {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))
        with contextlib.closing(connection):
            connection.request(method, address, headers={**shown, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def serving(place: Place, sharing: Sharing | None = None, **options: Any) -> Iterator[Place]:
    application = door.application(place.current, sharing or declared(), place.token_file, **options)
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical", server_header=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        place.port = server.servers[0].sockets[0].getsockname()[1]
        yield place
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def new_place(root: Path) -> Place:
    write_release(root / "releases" / "r1")
    place = Place(root)
    place.flip("r1")
    for recipient in ("nord", "frueher", "zwei"):
        place.tokens[recipient] = door.issue(place.token_file, recipient, TODAY)
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One that no test changes."""
    with serving(new_place(tmp_path_factory.mktemp("door")), per_minute=100_000) as place:
        yield place


@pytest.fixture
def own(tmp_path: Path) -> Place:
    """One that the test may change, not yet served."""
    return new_place(tmp_path / "door")


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The same release for those who compare."""
    folder = write_release(tmp_path_factory.mktemp("cube") / "r")
    return duckdb.connect(str(folder / "marts.duckdb"), read_only=True)


# ---------------------------------------------------------------- features


def test_it_says_what_it_is(place: Place) -> None:
    landing = place.get("/").json
    links = {link["rel"]: link["href"] for link in landing["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= set(links)
    for href in links.values():
        assert place.get(href.removeprefix(f"http://127.0.0.1:{place.port}")).status == 200
    assert all("/conf/oas30" not in name for name in place.get("/conformance").json["conformsTo"])
    assert landing["release"] == "r1"


def test_features_hold_the_latest_values_of_their_areas(place: Place, cube: duckdb.DuckDBPyConnection) -> None:
    collection = place.get("/collections/bezirk/items").json
    assert [feature["id"] for feature in collection["features"]] == ["1", "2"]
    for feature in collection["features"]:
        rows = cube.execute(
            "select indicator, arg_max(value, period), arg_max(status, period), max(period) from mart_indicator_value "
            "where level = 'bezirk' and edition = '2006' and area = ? group by indicator",
            [feature["id"]],
        ).fetchall()
        assert rows
        for indicator, value, status, period in rows:
            told = feature["properties"]
            assert (told[indicator], told[f"{indicator}_status"], told[f"{indicator}_period"]) == (
                value,
                status,
                period,
            )
    named = {feature["properties"]["name"] for feature in collection["features"]}
    assert named == {"Nord", report_marts.FORMULA}


def test_features_of_a_period(place: Place) -> None:
    told = place.get("/collections/stadt/items/05", period="2017").json["properties"]
    assert (told["anteil"], told["anteil_status"], told["anteil_period"]) == (None, "missing", "2017")
    assert "anteil" not in place.get("/collections/stadt/items/05", period="1999").json["properties"]


def test_outlines_are_in_degrees_and_run_against_the_clock(place: Place, cube: duckdb.DuckDBPyConnection) -> None:
    wkt = dict(
        cube.execute("select area, geometry from mart_area where level = 'viertel' and edition = '2006'").fetchall()
    )
    expected = gpd.GeoSeries(shapely.from_wkt(list(wkt.values())), list(wkt), crs=25832).to_crs(4326)
    features = place.get("/collections/viertel/items", "nord").json["features"]
    assert len(features) == 3
    for feature in features:
        outline = shapely.geometry.shape(feature["geometry"])
        assert outline.exterior.is_ccw
        assert outline.hausdorff_distance(expected[feature["id"]]) < 1e-6


GDAL = """
import json, pyogrio, sys
address = "OAPIF:" + sys.argv[1]
read = pyogrio.read_dataframe(address, layer="bezirk", PAGE_SIZE="1")
west, south, east, north = read.total_bounds
half = pyogrio.read_dataframe(address, layer="bezirk", bbox=(west, south, east, (south + north) / 2 - 0.001))
told = {"layers": list(pyogrio.list_layers(address)[:, 0]), "columns": list(read.columns), "half": list(half["area"])}
print(json.dumps({**told, "values": dict(zip(read["area"], read["anteil"], strict=True))}))
"""


def test_gdal_reads_the_features(place: Place) -> None:
    """GDAL's own client of OGC API – Features follows every link it needs, pages included.

    In a process of its own: it would not let the server work in this one.
    """
    command = [sys.executable, "-c", GDAL, f"http://127.0.0.1:{place.port}"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert told["layers"] == ["bezirk", "stadt"]
    assert told["values"] == {"1": 13.345, "2": 14.345}
    assert {"name", "anteil_status", "anteil_period"} < set(told["columns"])
    assert told["half"] == ["1"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"name": "Äußere Neustadt"}, ["101"]),
        ({"area": "102"}, ["102"]),
        ({"area": report_marts.INJECTION}, [report_marts.INJECTION]),
        ({"municipality": "05", "parent": "1"}, ["101", "102", report_marts.INJECTION]),
        ({"municipality": "06"}, []),
        ({"datetime": "2000-12-31"}, []),
        ({"datetime": "2001-01-01T00:00:00Z"}, ["101", "102", report_marts.INJECTION]),
        ({"datetime": "../2001-06-30"}, ["101", "102", report_marts.INJECTION]),
        ({"datetime": "1990-01-01/2000-12-31"}, []),
        ({"bbox": "-180,-90,180,90"}, ["101", "102", report_marts.INJECTION]),
        ({"bbox": "-180,-90,0,180,90,9000"}, ["101", "102", report_marts.INJECTION]),
        ({"bbox": "10,50,11,51"}, []),
        ({"bbox": "170,-90,-170,90"}, []),
        ({"bbox": "4,-90,-170,90"}, ["101", "102", report_marts.INJECTION]),
    ],
)
def test_features_are_chosen_by_place_day_and_property(place: Place, query: dict[str, str], keys: list[str]) -> None:
    answer = place.get("/collections/viertel/items", "nord", **query)
    assert answer.status == 200
    assert sorted(feature["id"] for feature in answer.json["features"]) == sorted(keys)
    assert answer.json["numberMatched"] == len(keys)


@pytest.mark.parametrize(
    ("box", "touched"),
    [
        ("7.1,51.1,7.4,51.4", True),
        ("7.6,51.6,7.9,51.9", False),  # inside the bounding box of the outline, outside of the outline
        ("7.5,51.5,8,52", True),  # the corner where both meet
        ("7.2,51.8,7.2,51.8", True),  # a point
        ("7.8,51.8,7.8,51.8", False),
        ("7.8,51.2,7.8,51.9", True),  # a line
        ("7.55,51.6,-170,51.9", False),  # across the date line
        ("7.4,51.6,-170,51.9", True),
        ("170,51,7.05,52", True),
        ("170,51,6.9,52", False),
    ],
)
def test_a_box_touches_outlines_not_their_bounding_boxes(box: str, touched: bool) -> None:
    corner = shapely.Polygon([(7, 51), (8, 51), (8, 51.5), (7.5, 51.5), (7.5, 52), (7, 52)])
    area = Area("viertel", "1", None, {"name": "Eck", "parent": None}, None, None, corner, {})
    assert features.fits(area, ItemsAsked(bbox=box)) is touched


def test_a_feature_has_an_address_whatever_its_key(place: Place) -> None:
    feature = place.get(f"/collections/viertel/items/{quote(report_marts.INJECTION, safe='')}", "nord")
    assert feature.json["id"] == report_marts.INJECTION
    itself = next(link["href"] for link in feature.json["links"] if link["rel"] == "self")
    again = place.get(itself.removeprefix(f"http://127.0.0.1:{place.port}"), "nord")
    assert again.json["properties"] == feature.json["properties"]


# ---------------------------------------------------------------- values


def all_pages(place: Place, path: str, who: str, **query: Any) -> Iterator[dict[str, Any]]:
    page = place.get(path, who, **query).json
    while True:
        yield page
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            return
        page = place.get(following[0].removeprefix(f"http://127.0.0.1:{place.port}"), who).json


def test_pages_of_values_are_all_of_them_once(place: Place, cube: duckdb.DuckDBPyConnection) -> None:
    pages = list(all_pages(place, "/values", "nord", limit=7, indicator=["anteil", "menschen"]))
    rows = [row for page in pages for row in page["values"]]
    columns = list(rows[0])
    expected = cube.execute(
        f"select {', '.join(columns)} from mart_indicator_value where level = 'viertel' and municipality = '05' "
        "and indicator in ('anteil', 'menschen') order by geography, edition, level, area, indicator, period"
    ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        tuple(str(cell) if isinstance(cell, date) else cell for cell in row) for row in expected
    ]
    assert {page["numberMatched"] for page in pages} == {len(expected)}
    assert len(pages) == -(-len(expected) // 7)
    assert {row["status"] for row in rows if row["value"] is None} == {"suppressed"}


def test_values_as_csv_hold_the_same_and_no_formula(own: Place) -> None:
    evil = "=cmd()"
    write_release(
        own.root / "releases" / "r2", f"update mart_indicator_value set class = '{evil}' where level = 'stadt'"
    )
    own.flip("r2")
    with serving(own):
        answer = own.get("/values", f="csv", level="stadt", limit=5)
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        told = own.get("/values", level="stadt", limit=5).json
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["class"] for row in rows] == [f"'{evil}"] * 5
    assert [row["class"] for row in told["values"]] == [evil] * 5
    assert [row["value"] for row in rows] == [
        "" if row["value"] is None else str(row["value"]) for row in told["values"]
    ]
    assert answer.headers["ogc-numbermatched"] == str(told["numberMatched"])
    assert 'rel="next"' in answer.headers["link"]


def test_an_answer_has_an_end(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    more = MOST_VALUES + 5
    write_release(
        own.root / "releases" / "many",
        "insert into mart_indicator_value select v.* replace (cast(n as varchar) as period) "
        f"from mart_indicator_value as v, range({more}) as r(n) "
        "where level = 'stadt' and indicator = 'anteil' and period = '2016'",
    )
    own.flip("many")
    with serving(own):
        page = own.get("/values", level="stadt", limit=2**31 - 1).json
        assert len(page["values"]) == page["numberReturned"] == MOST_VALUES
        assert page["numberMatched"] > more
        assert any(link["rel"] == "next" for link in page["links"])
    assert MOST_FEATURES == 1000
    monkeypatch.setattr("dagster_project.door.features.MOST_FEATURES", 1)
    with serving(own):
        page = own.get("/collections/bezirk/items", limit=1000).json
        assert page["numberReturned"] == len(page["features"]) == 1
        assert any(link["rel"] == "next" for link in page["links"])


# ---------------------------------------------------------------- who may see what


def test_everybody_and_a_recipient_see_what_each_is_entitled_to(place: Place) -> None:
    def seen(who: str) -> set[tuple[str, str | None]]:
        return {(row["level"], row["municipality"]) for row in place.get("/values", who, limit=10_000).json["values"]}

    def levels(who: str) -> list[str]:
        return [collection["id"] for collection in place.get("/collections", who).json["collections"]]

    assert seen("") == {("bezirk", "05"), ("bezirk", "06"), ("stadt", "05")}
    assert seen("nord") == {("viertel", "05")}
    assert seen("frueher") == set()
    assert seen("zwei") == {("viertel", "05"), ("bezirk", "06")}
    assert (levels(""), levels("nord"), levels("frueher")) == (["bezirk", "stadt"], ["viertel"], [])


def test_a_level_of_one_municipality_is_not_that_of_another(place: Place) -> None:
    keys = {level: place.get(f"/collections/{level}/items", "zwei").json["features"] for level in ("viertel", "bezirk")}
    assert [feature["id"] for feature in keys["viertel"]] == ["101", "102", report_marts.INJECTION]
    assert [feature["id"] for feature in keys["bezirk"]] == ["2"]


@pytest.mark.parametrize(
    ("path", "unknown", "who"),
    [
        ("/collections/viertel", "/collections/nirgends", ""),
        ("/collections/viertel/items", "/collections/nirgends/items", ""),
        ("/collections/viertel/items/101", "/collections/nirgends/items/101", ""),
        ("/collections/viertel/items/201", "/collections/viertel/items/999", "nord"),  # the neighbour's
        ("/collections/bezirk/items/1", "/collections/nirgends/items/1", "nord"),
        ("/collections/viertel/items/101", "/collections/nirgends/items/101", "frueher"),
    ],
)
def test_what_a_caller_may_not_see_is_answered_like_what_is_not_there(
    place: Place, path: str, unknown: str, who: str
) -> None:
    hidden, missing = place.get(path, who), place.get(unknown, who)
    assert hidden.status == missing.status == 404
    assert hidden.body == missing.body


def test_asking_for_the_neighbours_values_finds_none(place: Place) -> None:
    for query in ({"area": "201"}, {"level": "bezirk"}, {"area": ["201", "101"]}):
        rows = place.get("/values", "nord", **query).json["values"]
        assert {row["municipality"] for row in rows} <= {"05"}
        assert {row["level"] for row in rows} <= {"viertel"}


def test_no_byte_of_any_answer_is_of_the_neighbour(place: Place) -> None:
    for path in ("/", "/collections", "/collections/viertel", "/collections/viertel/items", "/values", "/indicators"):
        body = place.get(path, "nord").body.decode()
        assert "Übersee" not in body
        assert '"201"' not in body


@pytest.mark.parametrize("shown", ["nonsense", "", "ä", "a" * 3000])
def test_a_wrong_token_is_nobody_not_everybody(place: Place, shown: str) -> None:
    headers = {"Authorization": f"Bearer {shown}".encode().decode("latin-1")}
    answer = place.get("/values", headers=headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert place.get("/values", headers={"Authorization": f"Basic {place.tokens['nord']}"}).status == 401


def test_without_everybody_the_door_is_closed(own: Place) -> None:
    with serving(own, declared(everybody=False)):
        assert own.get("/").status == own.get("/values").status == own.get("/api").status == 401
        assert own.get("/values", "nord").status == 200


def test_a_token_holds_until_it_is_revoked(own: Place) -> None:
    second = door.issue(own.token_file, "nord", TODAY)
    with serving(own):
        assert own.get("/values", "nord").status == own.get("/values", second).status == 200
        assert door.revoke(own.token_file, "nord") == 2
        assert own.get("/values", "nord").status == own.get("/values", second).status == 401
        assert own.get("/values", "frueher").status == 200


def test_a_recipient_that_is_no_longer_declared_has_no_token(own: Place) -> None:
    sharing = declared()
    gone = sharing.model_copy(update={"recipients": [item for item in sharing.recipients if item.id != "nord"]})
    with serving(own, gone):
        assert own.get("/values", "nord").status == 401


def test_tokens_are_hashes_in_a_file_of_its_owner(own: Place) -> None:
    assert stat.S_IMODE(own.token_file.stat().st_mode) == 0o600
    text = own.token_file.read_text()
    assert not [token for token in own.tokens.values() if token in text or len(token) < 43]
    own.token_file.chmod(0o640)
    with pytest.raises(door.TokenMistake, match="0600"):
        tokens.recipient_of(own.token_file, own.tokens["nord"])
    with serving(own):
        assert own.get("/values", "nord").status == 401


def test_every_token_is_compared_in_constant_time(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    real = tokens.hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(other)
        return real(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", counted)
    assert tokens.recipient_of(own.token_file, own.tokens["nord"]) == "nord"
    assert len(compared) == 3


# ---------------------------------------------------------------- how often


def test_too_many_requests_wait(own: Place) -> None:
    with serving(own, per_minute=3):
        assert [own.get("/").status for _ in range(4)] == [200, 200, 200, 429]
        refused = own.get("/")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert own.get("/", source="127.0.0.2").status == 200  # another address
        assert [own.get("/", "nord").status for _ in range(4)] == [200, 200, 200, 429]  # by token, not by address
        assert own.get("/", "nord", source="127.0.0.3").status == 429  # wherever it is shown
        assert [own.get("/", "guess", source="127.0.0.4").status for _ in range(4)] == [401, 401, 401, 429]


def test_a_bucket_fills_up_again() -> None:
    now = 0.0
    limit = limits.Limits(60, clock=lambda: now)
    assert [limit.seconds_to_wait("a") for _ in range(60)] == [0.0] * 60
    assert limit.seconds_to_wait("a") == pytest.approx(1.0)
    now = 1.0
    assert (limit.seconds_to_wait("a"), limit.seconds_to_wait("a")) == (0.0, pytest.approx(1.0))
    now = 3600.0
    assert [limit.seconds_to_wait("a") for _ in range(61)] == [*[0.0] * 60, pytest.approx(1.0)]


def test_many_callers_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLERS", 10)
    limit = limits.Limits(60, clock=lambda: 0.0)
    for number in range(100):
        limit.seconds_to_wait(str(number))
    assert len(limit._buckets) == 10
    assert "99" in limit._buckets


def test_a_household_is_one_caller() -> None:
    assert (
        limits.caller_of("2001:db8::1") == limits.caller_of("2001:db8::ffff:1") != limits.caller_of("2001:db8:0:1::1")
    )
    assert limits.caller_of("192.0.2.1") != limits.caller_of("192.0.2.2")
    assert limits.caller_of("") == "unknown"


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(place: Place, method: str) -> None:
    answer = place.get("/values", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_is_get_without_a_body(place: Place) -> None:
    whole, head = place.get("/values"), place.get("/values", method="HEAD")
    assert head.body == b""
    assert head.headers["content-length"] == str(len(whole.body))
    assert {name: text for name, text in head.headers.items() if name != "date"} == {
        name: text for name, text in whole.headers.items() if name != "date"
    }


HOSTILE = [
    report_marts.INJECTION,
    report_marts.EVIL,
    "' or '1'='1",
    "'; drop table mart_area; --",
    "x') union select * from read_csv('/etc/passwd') --",
    "%00",
    "../../tokens.json",
    "\ufeff\u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_parameters_are_texts_and_nothing_else(place: Place, text: str) -> None:
    for name in ("indicator", "area", "level", "period"):
        answer = place.get("/values", **{name: text})
        assert (answer.status, answer.json["values"]) == (200, [])
    for name in ("area", "name", "municipality", "parent"):
        answer = place.get("/collections/bezirk/items", **{name: text})
        assert (answer.status, answer.json["features"]) == (200, [])
    assert place.get(f"/collections/{quote(text, safe='')}").status in (404, 400)
    assert place.get(f"/collections/bezirk/items/{quote(text, safe='')}").status == 404
    assert place.get("/collections/stadt/items/05", period=text).json["id"] == "05"
    assert place.get("/values", level="stadt").json["numberMatched"] == 6


@pytest.mark.parametrize(
    "query",
    [
        "unknown=1", "limit=0", "limit=-1", "limit=x", f"limit={2**31}", "limit=1e3", "offset=-1", f"offset={10**30}",
        "f=xml", "area=", "area=%00", "area=%0a", f"area={'x' * 201}", "&".join(f"area={n}" for n in range(51)),
    ],
)  # fmt: skip
def test_what_is_not_described_is_an_error(place: Place, query: str) -> None:
    answer = place.get(f"/values?{query}")
    assert answer.status == 400
    assert set(answer.json) == {"code", "description"}


@pytest.mark.parametrize(
    "query",
    [
        "bbox=1,2,3", "bbox=1,2,3,4,5", "bbox=a,b,c,d",
        "bbox=6,52,8,51", "bbox=6,51,9,8,52,1", "bbox=nan,0,1,1", "bbox=", "bbox=1,2,3,inf", "datetime=gestern",
        "datetime=2020-13-01", "datetime=2020-01-01/", "datetime=//", "datetime=2020", "bbox-crs=x", "limit=0",
    ],
)  # fmt: skip
def test_what_features_do_not_know_is_an_error(place: Place, query: str) -> None:
    expected = 200 if query == "datetime=2020-01-01/" else 400  # an open end is one
    assert place.get(f"/collections/bezirk/items?{query}").status == expected
    assert place.get(f"/collections/bezirk?{query}").status == 400


def test_an_address_has_an_end(place: Place) -> None:
    assert place.get(f"/values?area={'x' * 5000}").status == 414
    assert place.get(f"/{'x' * 5000}").status == 414


def test_every_answer_has_the_headers(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    with serving(own, per_minute=9):
        answers = [own.get(path) for path in ("/", "/nothing", "/values?x=1", f"/{'x' * 5000}")]
        answers += [own.get("/", method="POST"), own.get("/", "wrong")]
        answers.append(own.get("/", headers={"If-None-Match": answers[0].headers["etag"]}))
        monkeypatch.setattr(standing.Standing, "rows", broken)
        answers.append(own.get("/values"))
        answers += [own.get("/") for _ in range(9)]
    assert {answer.status for answer in answers} == {200, 404, 400, 414, 405, 401, 304, 500, 429}
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not {"server", "access-control-allow-origin", "set-cookie"} & set(answer.headers)
        assert b"secret detail" not in answer.body
        assert b"Traceback" not in answer.body


def test_the_database_is_for_reading_this_release_alone(own: Place) -> None:
    opened = standing.ReleaseInForce(own.current).standing()
    for attack in (
        "select * from read_csv('/etc/passwd')",
        f"select * from read_text('{own.token_file}')",
        f"attach '{own.root / 'other.duckdb'}'",
        f"copy mart_area to '{own.root / 'stolen.csv'}'",
        "delete from mart_area",
        "create table t (a int)",
        "set memory_limit = '100GB'",
        "set enable_external_access = true",
        "install httpfs",
        "load httpfs",
    ):
        with pytest.raises(duckdb.Error):
            opened.rows(attack, [])
    assert opened.rows("select count(*) from mart_area", []) == [(18,)]


# ---------------------------------------------------------------- one release, and only one


def test_a_release_answers_as_long_as_it_is_in_force(own: Place) -> None:
    write_release(own.root / "releases" / "r2")
    with serving(own):
        first = own.get("/values", limit=2)
        assert first.headers["sozialraum-release"] == first.json["release"] == "r1"
        tag = {"If-None-Match": first.headers["etag"]}
        unchanged = own.get("/values", limit=2, headers=tag)
        assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", first.headers["etag"])
        assert own.get("/values", limit=3, headers=tag).status == 200
        assert own.get("/values", "nord", limit=2, headers=tag).status == 200
        following = next(link["href"] for link in first.json["links"] if link["rel"] == "next")
        own.flip("r2")
        again = own.get("/values", limit=2, headers=tag)
        assert (again.status, again.headers["sozialraum-release"]) == (200, "r2")
        # pages of two releases do not mix
        assert own.get(following.removeprefix(f"http://127.0.0.1:{own.port}")).status == 409
        assert own.get("/collections/bezirk/items", release="r1").status == 409
        own.flip("r1")
        assert own.get(following.removeprefix(f"http://127.0.0.1:{own.port}")).status == 200


def test_without_a_release_there_is_nothing_yet(own: Place) -> None:
    own.current.unlink()
    with serving(own):
        assert own.get("/values").status == 503
        own.flip("r1")
        assert own.get("/values").status == 200


def test_readers_see_twenty_releases_swapped_and_never_two_at_once(own: Place) -> None:
    """Each release's values are all its own number; 4 readers ask for values and features without a pause."""
    numbers = range(2, 22)
    for number in numbers:
        write_release(own.root / "releases" / f"r{number}", f"update mart_indicator_value set value = {number}")
    own.flip("r2")
    wrong: list[object] = []
    seen: list[set[str]] = [set() for _ in range(4)]
    done = threading.Event()

    def read(reader: int) -> None:
        while not done.is_set():
            path = ("/values?level=stadt", "/collections/stadt/items")[reader % 2]
            try:
                answer = own.get(path)
                release = answer.headers["sozialraum-release"]
                found = answer.json
                if reader % 2:
                    values = {item["properties"][name] for item in found["features"] for name in ("anteil", "menschen")}
                else:
                    values = {row["value"] for row in found["values"]}
                if answer.status != 200 or values != {float(release[1:])}:
                    wrong.append((path, release, values))
                seen[reader].add(release)
            except Exception as error:
                wrong.append(error)

    with serving(own, per_minute=10**6):
        readers = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for reader in readers:
            reader.start()
        give_up = time.monotonic() + 60
        for number in numbers:
            own.flip(f"r{number}")
            while not all(f"r{number}" in releases for releases in seen) and time.monotonic() < give_up:
                time.sleep(0.01)
        done.set()
        for reader in readers:
            reader.join(timeout=30)
    assert wrong == []
    assert all(releases == {f"r{number}" for number in numbers} for releases in seen)


# ---------------------------------------------------------------- the description


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the application in this process says of itself, by schemathesis."""
    place = new_place(tmp_path_factory.mktemp("described"))
    application = door.application(place.current, declared(), place.token_file, per_minute=10**6)
    schema = schemathesis.openapi.from_asgi("/api", application)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode))
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_it_does_what_its_description_says(operations: list[Any], mode: GenerationMode, data: st.DataObject) -> None:
    """Requests that keep the description and requests that break it: every check schemathesis knows."""
    assert len(operations) == 8
    operation = data.draw(st.sampled_from(operations))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    if mode is GenerationMode.POSITIVE and data.draw(st.booleans()):  # else hardly any level would be one there is
        case.path_parameters = {name: {"level": "stadt", "area": "05"}[name] for name in case.path_parameters or {}}
    response = case.call()
    if response.status_code != 414:  # an answer schemathesis expects of nobody
        case.validate_response(response)


# ---------------------------------------------------------------- the commands


def test_a_token_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tokens", "musterkreis", "altenmuster"]) == cli.DONE
    token = capsys.readouterr().out.strip()
    path = region_data("musterkreis").tokens
    assert tokens.recipient_of(path, token) == "altenmuster"
    assert token not in path.read_text()
    assert cli.main(["tokens", "musterkreis", "altenmuster", "--revoke"]) == cli.DONE
    assert tokens.recipient_of(path, token) is None
    assert cli.main(["tokens", "musterkreis", "niemand"]) == cli.WRONG_INPUT
    assert "altenmuster" in capsys.readouterr().err
    assert cli.main(["tokens", "berlin", "niemand"]) == cli.WRONG_INPUT


def test_without_recipients_or_a_release_nothing_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "berlin"]) == cli.WRONG_INPUT
    assert "recipients.yml" in capsys.readouterr().err
    assert cli.main(["serve", "musterkreis"]) == cli.WRONG_INPUT
    assert "Veröffentlichung" in capsys.readouterr().err


def test_it_listens_on_this_computer_alone_and_keeps_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    data = region_data("musterkreis")
    write_release(data.releases / "r1")
    data.current.symlink_to(data.releases / "r1")
    called: dict[str, Any] = {}
    run: Callable[..., None] = lambda _, **options: called.update(options)  # noqa: E731
    monkeypatch.setattr(uvicorn, "run", run)
    assert cli.main(["serve", "musterkreis"]) == cli.DONE
    assert called["host"] == "127.0.0.1"
    assert not called["access_log"]
    assert not called["server_header"]
    assert not called["proxy_headers"]
    assert called["limit_concurrency"] > 0

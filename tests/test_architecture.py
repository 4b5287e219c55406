"""The rules of the house that a test can see, read from the files alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from dagster_project import declarations
from dagster_project.settings import Project

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dagster_project"
MODELS = ROOT / "dbt" / "models"
PAGES = ROOT / "reports" / "pages"
PYTHON = sorted(PACKAGE.rglob("*.py"))
STAGES = {
    "landing",
    "reading",
    "gate",
    "disclosure",
    "disclosure_audit",
    "release",
    "reports",
    "transform",
    "catalogue",
    "geography",
}


def module(path: Path) -> str:
    """The first name below the package: a stage may be a module or a folder of them."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """Every module a file imports anywhere, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def own_modules(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("dagster_project.")}


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_stages_do_not_import_each_other(path: Path) -> None:
    allowed = {"landing": {"reading"}}
    if module(path) in STAGES:
        assert (own_modules(path) & STAGES) - {module(path)} <= allowed.get(module(path), set())
    if module(path) not in ("definitions", "cli", "code_location"):
        assert not own_modules(path) & {"definitions", "cli", "code_location"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("dagster", {"definitions", "cli"}),
        ("great_expectations", {"gate"}),
        ("jinja2", {"reports", "sharing"}),
        ("dbt", {"transform"}),
        ("geopandas", {"geography", "packages"}),
        ("minisign", {"packages"}),
        ("pyrage", {"packages"}),
        ("xlsxwriter", {"packages"}),
        ("fastapi", {"door"}),
        ("starlette", {"door"}),
        ("uvicorn", {"cli_door"}),
        ("highspy", {"solver"}),
        ("vl_convert", {"reports"}),
        ("weasyprint", {"reports"}),
        ("psycopg", {"postgres", "cli_postgres"}),
    ],
)
def test_each_heavy_library_has_one_home(library: str, homes: set[str]) -> None:
    users = {module(path) for path in PYTHON for name in imports(path) if name.split(".")[0] == library}
    assert users <= homes


def test_databases_are_opened_within_the_memory_limit_alone() -> None:
    """`tables.connect` sets it; the pages' database, which has more to forbid, sets it itself."""
    opening = {path for path in PYTHON if "duckdb.connect(" in path.read_text(encoding="utf-8")}
    assert opening == {PACKAGE / "tables.py", PACKAGE / "reports" / "queries.py"}
    assert all(" memory_limit(" in path.read_text(encoding="utf-8") for path in opening)


def test_the_audit_knows_nothing_of_the_suppression() -> None:
    """Neither imports the other: what one gets wrong, the other finds."""
    for audit, step in (("disclosure_audit", "disclosure"), ("disclosure", "disclosure_audit")):
        assert all(step not in own_modules(path) for path in PYTHON if module(path) == audit)


def test_the_command_line_needs_dagster_only_to_run() -> None:
    """`dagster` in cli.py stands inside functions, so that `sozialraum check` answers at once."""
    tree = ast.parse((PACKAGE / "cli.py").read_text(encoding="utf-8"))
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not top & {"dagster", "duckdb", "pandas"}


def sql_files(*layers: str) -> list[Path]:
    return [path for layer in layers for path in sorted((MODELS / layer).glob("*.sql"))]


def references(path: Path) -> set[str]:
    return set(re.findall(r"ref\(\s*'(\w+)'", path.read_text(encoding="utf-8")))


def sources(path: Path) -> set[str]:
    return set(re.findall(r"source\(\s*'(\w+)'", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "path", sql_files("observations", "core", "protected", "marts", "internal"), ids=lambda path: path.stem
)
def test_layers_read_only_what_lies_before_them(path: Path) -> None:
    layer = path.parent.name
    allowed_references = {
        "observations": ("stg_",),
        "core": ("obs_", "core_"),
        "protected": ("core_", "protected_"),
        "marts": ("protected_",),
        "internal": ("core_",),
    }[layer]
    allowed_sources = {
        "observations": {"catalogue"},
        "core": {"catalogue", "geography", "crosswalk", "judged"},
        "protected": {"catalogue", "geography", "protection"},
        "marts": {"catalogue", "geography", "crosswalk", "judged"},
        "internal": {"geography", "protection"},
    }[layer]
    assert all(name.startswith(allowed_references) for name in references(path))
    # counts that are shown in place of true ones come in at one place, before anything is formed of them
    if path.stem == "core_shown_count":
        allowed_sources = {"protection"}
    assert sources(path) <= allowed_sources
    # the export boundary: whoever reads a true number asks the protection
    reads_true_numbers = any(name.startswith("core_") for name in references(path))
    assert layer != "protected" or not reads_true_numbers or "protection" in sources(path)
    assert path.stem.startswith({"observations": "obs_", "core": "core_", "marts": "mart_"}.get(layer, f"{layer}_"))


def test_pages_see_marts_only() -> None:
    for path in PAGES.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(core|obs|stg|raw|judged)_\w+", text), path


def test_packages_and_the_door_see_marts_only() -> None:
    for path in (path for path in PYTHON if module(path) in ("packages", "door", "entitled")):
        assert not re.search(r"\b(core|obs|stg|judged|protected)_\w+", path.read_text(encoding="utf-8")), path


def declared_names() -> set[str]:
    """Ids of towns, sources, measures, indicators and excluded or repaired areas: no business of generic code."""
    project = Project(ROOT)
    names: set[str] = set()
    for region in declarations.regions(project):
        declared = declarations.load(project, region)
        names |= {region, *declared.contracts, *declared.indicators, *declared.geographies}
        names |= {level.id for geography in declared.geographies.values() for level in geography.levels}
        names |= {municipality.id for municipality in declared.region.municipalities}
    return names | declarations.measures(project)


# words of the field that happen to be ids as well: a region has a population whatever its measures are called
WORDS_OF_THE_FIELD = {"population", "households", "block", "sozialraum"}


@pytest.mark.parametrize(
    "path",
    [*PYTHON, *sql_files("core", "protected", "marts"), *(ROOT / "dbt" / "macros").glob("*.sql"), *PAGES.rglob("*.md")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_generic_code_knows_no_town_source_or_indicator(path: Path) -> None:
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*|\d{8}", path.read_text(encoding="utf-8")))
    assert not words & (declared_names() - WORDS_OF_THE_FIELD)


FORBIDDEN_SQL = {
    "qualify": r"\bqualify\b",
    "group by all": r"\bgroup\s+by\s+all\b",
    "order by all": r"\border\s+by\s+all\b",
    "unpivot": r"\bunpivot\b",
    "unnest": r"\bunnest\b",
    "filter clause": r"\)\s*filter\s*\(",
    "double-quoted name": r'"\w+"',
    "cast shorthand": r"::",
    "try_cast": r"\btry_cast\b",
    "exclude": r"\*\s*exclude\b",
}


@pytest.mark.parametrize(
    "path", sql_files("observations", "core", "protected", "marts", "internal"), ids=lambda path: path.stem
)
def test_sql_is_portable(path: Path) -> None:
    text = re.sub(r"--.*|\{#.*?#\}|\{\{.*?\}\}", "", path.read_text(encoding="utf-8"))
    found = [name for name, pattern in FORBIDDEN_SQL.items() if re.search(pattern, text, re.IGNORECASE)]
    assert found == []
    for division in re.finditer(r"/\s*([a-z_.]+\(?)", text):
        divisor = division.group(1)
        assert divisor.startswith(("nullif(", "indicator.factor", "share_indicator.factor")), division.group()


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_at_its_top_what_it_reads_and_writes(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text
    if module(path) in STAGES and path.name != "__init__.py" and path.parent == PACKAGE:
        assert "Reads" in text
        assert "Writes" in text or "writes" in text


def test_every_mart_describes_every_column() -> None:
    described = yaml.safe_load((MODELS / "marts" / "marts.yml").read_text(encoding="utf-8"))["models"]
    assert {model["name"] for model in described} == {path.stem for path in sql_files("marts")}
    assert all(
        model["description"] and all(column["description"] for column in model["columns"]) for model in described
    )


def test_nothing_speaks_of_the_machine_it_was_written_on() -> None:
    files = [
        path
        for pattern in ("*.py", "*.sql", "*.yml", "*.md", "*.toml", "*.txt", "Makefile")
        for path in ROOT.rglob(pattern)
    ]
    own = [path for path in files if not {".venv", "data", ".git", "node_modules"} & set(path.relative_to(ROOT).parts)]
    pattern = re.compile(r"(?<![\w.])/(?:work|root|home)/|/tmp/[a-z]|pythonhosted|index-url", re.IGNORECASE)
    guilty = [
        path for path in own if path != Path(__file__).resolve() and pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert guilty == []


def test_nothing_built_or_fetched_lies_in_the_tree() -> None:
    """Wheels, archives and databases are made where they are needed."""
    built = (".whl", ".zip", ".gz", ".duckdb", ".parquet", ".so")
    places = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.name.endswith(built)]
    own = [place for place in places if place.parts[0] != "data" and not place.parts[0].startswith(".")]
    assert own == []

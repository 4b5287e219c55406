"""What anybody may read about the numbers: indicators, sources, thresholds, age bounds. Reads their YAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COUNTED = ("count", "share", "rate")


@dataclass(frozen=True)
class Indicator:
    """How an indicator is formed of counts."""

    id: str
    kind: str
    numerator: str
    denominator: str | None
    factor: float
    years: int

    @property
    def measures(self) -> list[str]:
        return [self.numerator] if self.denominator is None else [self.numerator, self.denominator]

    @property
    def is_part_of_whole(self) -> bool:
        return self.kind == "share"


@dataclass(frozen=True)
class Thresholds:
    """What is too small to be known, for one source."""

    numerator: int
    remainder: int
    denominator: int


@dataclass(frozen=True)
class Declared:
    """All of it, for one region."""

    indicators: dict[str, Indicator]
    source_of: dict[str, str]  # by measure; where two sources deliver one, the first by name
    rules: dict[str, Thresholds]  # by source
    public_sources: frozenset[str]
    retirement_months: tuple[tuple[int, int, int], ...]  # from year, to year, months
    minimum_population: int
    edition: str
    geography: str

    def rule(self, measure: str) -> Thresholds:
        return self.rules[self.source_of[measure]]

    def is_public(self, measure: str) -> bool:
        return self.source_of.get(measure) in self.public_sources

    def retirement(self, year: int) -> float:
        """The age bound of a year, in years."""
        for first, last, months in self.retirement_months:
            if first <= year <= last:
                return months / 12
        raise ValueError(f"no retirement age is declared for {year}")


def read(project: Path, region: str) -> Declared:
    """The declarations of a region in a checkout of the project."""
    content = _yaml(project / "sources" / region / "region.yml")
    contracts = {path.stem: _yaml(path) for path in sorted((project / "sources" / region / "contracts").glob("*.yml"))}
    disclosure = content.get("disclosure", {})
    return Declared(
        indicators=_indicators(project, content["indicators"]),
        source_of=_source_of(project, list(contracts)),
        rules={source: _thresholds(disclosure, source) for source in contracts},
        public_sources=frozenset(s for s, contract in contracts.items() if contract["publication"] == "already_public"),
        retirement_months=_bound(project / "dbt" / "bounds" / "retirement_age.yml"),
        minimum_population=disclosure.get("minimum_population", 0),
        edition=str(content["reporting_edition"]),
        geography=content["geography"],
    )


def _indicators(project: Path, chosen: list[str]) -> dict[str, Indicator]:
    found = {}
    for name in chosen:
        content = _yaml(project / "dbt" / "indicators" / f"{name}.yml")
        if content["kind"] in COUNTED:
            factor = content.get("factor", 1 if content["kind"] == "count" else 100)
            found[name] = Indicator(
                name, content["kind"], content["numerator"], content.get("denominator"), float(factor),
                content.get("pooled_years", 1),
            )  # fmt: skip
    return found


def _source_of(project: Path, sources: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        for model in _yaml(project / "dbt" / "models" / "observations" / f"obs_{source}.yml")["models"]:
            for column in model.get("columns", []):
                if column["name"] == "measure":
                    for test in column["data_tests"]:
                        for measure in test["accepted_values"]["arguments"]["values"]:
                            found.setdefault(measure, source)
    return found


def _thresholds(disclosure: dict[str, Any], source: str) -> Thresholds:
    own = disclosure.get("sources", {}).get(source, {})
    return Thresholds(*(own.get(name, disclosure.get(name, 3)) for name in ("numerator", "remainder", "denominator")))


def _bound(path: Path) -> tuple[tuple[int, int, int], ...]:
    spans = _yaml(path)["spans"]
    return tuple((s.get("from_year", 0), s.get("to_year", 9999), 12 * s["years"] + s.get("months", 0)) for s in spans)


def _yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content

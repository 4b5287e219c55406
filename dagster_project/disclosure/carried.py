"""Counts carried over from other boundaries: they are hidden wherever one of their sources is.

Reads and writes nothing. What is computed from numbers that may be shown discloses nothing; so the boundaries a count
was delivered on are protected, and no count that needs a hidden one is formed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dagster_project.declarations import Declarations, Indicator

AREA = ["geography", "edition", "level", "area"]
ROW = [*AREA, "period", "indicator", "day"]


def hidden_rows(declared: Declarations, conversions: pd.DataFrame, counts: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Rows of the cube that are formed from a hidden count of other boundaries, or show a sensitive estimate.

    `conversions`: one row per carried-over count and source area, with `day`; `counts`: every count behind the cube.
    """
    if conversions.empty or not counts:
        return []
    known = pd.concat(counts, ignore_index=True)
    known = known[known["years"] == 1].rename(columns={"reference_date": "day"})
    sources = known[known["is_hidden"]].rename(columns={name: f"source_{name}" for name in AREA})
    keys = [*(f"source_{name}" for name in AREA), "measure", "day"]
    gone = conversions.merge(sources[keys].drop_duplicates(), on=keys)
    carried = conversions[[*AREA, "period", "day", "measure"]].drop_duplicates()
    found = []
    for indicator in declared.reported_indicators.values():
        for measure in {_numerator(indicator), indicator.denominator} - {None}:
            found.append(_rows(indicator, gone[gone["measure"] == measure], carried))
        found.append(_rows(indicator, _sensitive(declared, indicator, conversions, known), carried))
    return [frame for frame in found if len(frame)]


def _numerator(indicator: Indicator) -> str | None:
    return indicator.reported.measure if indicator.reported else indicator.numerator


def _rows(indicator: Indicator, cells: pd.DataFrame, carried: pd.DataFrame) -> pd.DataFrame:
    """Rows of an indicator in whose years one of these counts lies; `carried` are all counts, once each."""
    if cells.empty:
        return pd.DataFrame(columns=ROW)
    own = carried.loc[carried["measure"] == _numerator(indicator), [*AREA, "period", "day"]]
    pairs = cells[[*AREA, "day"]].drop_duplicates().rename(columns={"day": "cell_day"}).merge(own, on=AREA)
    near = [
        0 <= (day - cell).days < 366 * indicator.pooled_years - 1 if indicator.pooled_years > 1 else day == cell
        for day, cell in zip(pairs["day"], pairs["cell_day"], strict=True)
    ]
    return pairs[np.array(near, bool)].assign(indicator=indicator.id)[ROW].drop_duplicates()


def _sensitive(
    declared: Declarations, indicator: Indicator, conversions: pd.DataFrame, known: pd.DataFrame
) -> pd.DataFrame:
    """Estimates that look like a sensitive count: small themselves, or nearly all of their whole."""
    rule = declared.region.disclosure
    numerator = _numerator(indicator)
    own = conversions[conversions["measure"] == numerator].drop_duplicates([*AREA, "day"])
    sources = declared.sources_of.get(numerator or "", ())
    least = max((rule.numerator_of(source) for source in sources), default=0)
    small = (own["value"] > 0) & (own["value"] < least)
    if indicator.kind == "share" and indicator.denominator:
        whole = known.loc[known["measure"] == indicator.denominator, [*AREA, "day", "value"]]
        beside = own[[*AREA, "day"]].merge(whole, on=[*AREA, "day"], how="left")["value"].to_numpy(float)
        rest = beside - own["value"].to_numpy(float)
        small |= (rest > 0) & (rest < max((rule.remainder_of(source) for source in sources), default=0))
    return own[small]

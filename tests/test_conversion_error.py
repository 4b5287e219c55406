"""Figures that were carried over from other boundaries: their intervals hold the truth, or they are not shown.

Made-up people on a plain, whose shares differ from place to place; the very model carries them over. The figures of the
documentation are those of tests/soak/conversions.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from soak.conversions import carried_over, summary


def plain(rng: np.random.Generator, contrast: float, side: int = 60, size: int = 10) -> pd.DataFrame:
    """Blocks on a plain of one municipality: the share counted there rises and falls smoothly, the more by contrast.

    Source areas are squares of `size` blocks; target areas are squares moved by some blocks.
    """
    x, y = (values.ravel() for values in np.meshgrid(np.arange(side), np.arange(side)))
    waves = rng.normal(size=(6, 2)) * 0.12
    field = sum(np.cos(x * one + y * other + rng.uniform(0, 6)) for one, other in waves) / np.sqrt(3)
    people = rng.integers(5, 60, side * side)
    share = 1 / (1 + np.exp(0.7 - contrast * field))

    def square(dx: int, dy: int) -> list[str]:
        return [f"{a:02}{b:02}" for a, b in zip((x + dx) // size, (y + dy) // size, strict=True)]

    return pd.DataFrame(
        {
            "source": [f"s{key}" for key in square(0, 0)], "target": [f"t{key}" for key in square(3, 6)],
            "municipality": "h", "people": people.astype(float), "counted": rng.binomial(people, share).astype(float),
        }
    )  # fmt: skip


@pytest.mark.parametrize("contrast", [0.15, 0.3])
def test_an_interval_of_what_was_carried_over_holds_the_truth(contrast: float) -> None:
    """The error of the way there is part of it: chance alone covers far fewer."""
    rng = np.random.default_rng(9)
    rows = pd.concat([carried_over(plain(rng, contrast), None) for _ in range(4)])
    found = summary(rows)
    assert found["shown"] > 0.5 * found["values"] > 50
    assert found["without_error"] < 0.9
    assert found["interval_holds"] > 0.93
    assert found["standard_error_holds"] > 0.93


def test_what_lives_too_unevenly_is_not_shown() -> None:
    """The figures themselves tell it: where neighbouring areas differ much, so may the parts of one."""
    rng = np.random.default_rng(10)
    even, uneven = (summary(carried_over(plain(rng, contrast), None)) for contrast in (0.15, 3.0))
    assert even["shown"] > 0.9 * even["values"]
    assert uneven["shown"] < 0.5 * uneven["values"]


def test_a_declared_truth_decides() -> None:
    blocks = plain(np.random.default_rng(11), 0.3)
    narrow, wide = (carried_over(blocks, rho)["standard_error"].sum() for rho in (0.001, 0.05))
    assert wide > 3 * narrow


def test_the_interval_tells_no_single_figure() -> None:
    """It is that of so many fewer people, whose number depends on masses alone and is rounded up."""
    blocks = plain(np.random.default_rng(12), 0.3)
    changed = blocks.copy()
    changed.loc[changed["counted"].idxmax(), "counted"] -= 1
    one, other = carried_over(blocks, 0.01), carried_over(changed, 0.01)
    low, high = (one["numerator"] == other["numerator"]), (one["denominator"] == other["denominator"])
    assert high.all()
    assert low.sum() < len(low)
    assert (one.loc[low, ["low", "high"]].to_numpy() == other.loc[low, ["low", "high"]].to_numpy()).all()

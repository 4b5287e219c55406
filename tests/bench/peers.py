"""The same tables for other tools: the exact optimum of pytauargus (JJ files) and gconfid's suppression and audit.

Writes scratch files into temporary folders only. Both are tools of tests and benchmarks, never of the product.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dagster_project.disclosure.trees import Forest

COST_UNIT = 100  # weights in a JJ file are whole numbers


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """tau-ARGUS writes scratch files into the current folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def jj_text(
    value: npt.NDArray[np.int64],
    lower: npt.NDArray[np.int64],
    upper: npt.NDArray[np.int64],
    rise: npt.NDArray[np.int64],
    fall: npt.NDArray[np.int64],
    cost: npt.NDArray[np.float64],
    primary: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    equations: list[list[tuple[int, int]]],
) -> str:
    """Cells and equations (cell, coefficient; each sums to zero) as a JJ file."""
    lines = ["0", str(len(value))]
    for cell in range(len(value)):
        status = "u" if primary[cell] else "z" if known[cell] else "s"
        lines.append(
            f"{cell} {value[cell]} {round(COST_UNIT * cost[cell])} {status} {lower[cell]} {upper[cell]} "
            f"{fall[cell] if primary[cell] else 0} {rise[cell] if primary[cell] else 0} 0"
        )
    lines.append(str(len(equations)))
    for equation in equations:
        terms = " ".join(f"{cell} ({coefficient})" for cell, coefficient in equation)
        lines.append(f"0 {len(equation)} : {terms}")
    return "\n".join(lines) + "\n"


def optimum(text: str, cells: int, seconds: int = 60) -> npt.NDArray[np.bool_]:
    """The cells pytauargus hides beside the primary ones, as an exact optimum. Raises `RuntimeError`."""
    from pytauargus._tauargus import HiTaSCtrl

    hidden = np.zeros(cells, bool)
    with _scratch() as folder:
        (folder / "in.jj").write_text(text, encoding="utf-8")
        control = HiTaSCtrl()
        code = control.full_jj(in_file_jj=str(folder / "in.jj"), out_file=str(folder / "out.jj"), max_time=seconds)
        if code > 1:
            raise RuntimeError(f"pytauargus: {code} {control.error_string(code)}")
        for line in (folder / "out.jj").read_text(encoding="utf-8").splitlines():
            if line.strip():
                hidden[int(line.split()[0])] = True
    return hidden


def intervals(text: str) -> dict[int, tuple[float, float]]:
    """Feasible interval of every suppressed cell of a JJ file, as pytauargus audits it."""
    from pytauargus._tauargus import audit_jj

    with _scratch() as folder:
        (folder / "audit.jj").write_text(text, encoding="utf-8")
        return {row["cell"]: (row["min"], row["max"]) for row in audit_jj(str(folder / "audit.jj"))}


def tree_text(forest: Forest, tree: int) -> str:
    """One tree of a forest as a JJ file."""
    return jj_text(
        forest.value[:, tree],
        forest.lower[:, tree],
        forest.upper[:, tree],
        forest.rise[:, tree],
        forest.fall[:, tree],
        forest.cost[:, tree],
        forest.must[:, tree],
        forest.known[:, tree],
        tree_equations(forest.parent),
    )


def tree_equations(parent: npt.NDArray[np.int64]) -> list[list[tuple[int, int]]]:
    """Each inner node is the sum of its children."""
    found: dict[int, list[tuple[int, int]]] = {}
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            found.setdefault(above, [(above, -1)]).append((node, 1))
    return list(found.values())


def optimum_of_forest(forest: Forest) -> npt.NDArray[np.bool_]:
    """Cells hidden in an exact optimum, nodes by trees, the primary ones included."""
    nodes, trees = forest.value.shape
    hidden = forest.must.copy()
    for tree in range(trees):
        if forest.must[:, tree].any():
            hidden[:, tree] |= optimum(tree_text(forest, tree), nodes)
    return hidden


def gconfid_of_forest(forest: Forest) -> npt.NDArray[np.bool_]:
    """Cells gconfid hides, nodes by trees, at constant cost.

    It is made for values, not counts: no cell may be 0 and no sensitivity above its cell, so zeros count as a half and
    what a cell needs is cut off there.
    """
    import gconfid
    import pandas as pd

    logging.disable(logging.CRITICAL)  # it tells every step
    nodes = len(forest.parent)
    hidden = forest.must.copy()
    constraints = pd.DataFrame(
        [
            {"CellId": cell + 1, "ConstraintId": number + 1, "Coefficient": float(coefficient)}
            for number, equation in enumerate(tree_equations(forest.parent))
            for cell, coefficient in equation
        ]
    )
    for tree in np.flatnonzero(forest.must.any(axis=0)):
        total = np.maximum(forest.value[:, tree].astype(float), 0.5)
        need = np.where(forest.must[:, tree], forest.rise[:, tree] + forest.fall[:, tree], 0.0)
        cells = pd.DataFrame(
            {
                "CellId": np.arange(nodes) + 1,
                "TotalNoise": total,
                "Sensitivity": np.minimum(need, total),
                "Status": np.where(forest.must[:, tree], "S", "V"),
                "Type": "C",
            }
        )
        with _scratch(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = gconfid.Suppression(cells, constraints, cost_function1="Constant", trace=0).outsuppress
        table = found.to_pandas() if hasattr(found, "to_pandas") else found
        columns = {name.lower(): name for name in table.columns}
        gone = table[table[columns["outstatus"]].isin(["X", "S"])]
        hidden[gone[columns["cellid"]].to_numpy(int) - 1, tree] = True
    return hidden


if __name__ == "__main__":  # gconfid in a process of its own: a file with a forest in, hidden cells and seconds out
    place = Path(sys.argv[1])
    forest = pickle.loads(place.read_bytes())  # noqa: S301 (our own)
    started = time.perf_counter()
    place.write_bytes(pickle.dumps((gconfid_of_forest(forest), time.perf_counter() - started)))

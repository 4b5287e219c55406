"""One more process that renders pages; ``build`` starts it.

Reads an order as JSON from its only argument. Writes pages, and what it did as JSON into the ordered file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dagster_project.reports.build import render_tasks
from dagster_project.reports.errors import PageError
from dagster_project.reports.site import Site


def main() -> None:
    """Render the ordered pages; an error in a page is part of the answer."""
    order = json.loads(sys.argv[1])
    cache = Path(order["cache"]) if order["cache"] else None
    answer: dict[str, Any]
    try:
        site = Site(Path(order["pages"]), Path(order["marts"]), cache)
        tasks = [(source, number) for source, number in order["tasks"]]
        answer = {"done": render_tasks(site, tasks, Path(order["scratch"]))}
    except PageError as error:
        answer = {"error": {"message": error.message, "page": error.page, "line": error.line, "query": error.query}}
    Path(order["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()

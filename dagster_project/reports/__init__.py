"""Static pages from a release: Markdown + named SQL + components in, plain HTML out; see reports/README.md.

Reads marts.duckdb and the folder of pages; writes the site. From a page to a file: ``pages`` reads, ``queries`` asks,
``components`` show (with ``kit``, ``tables``, ``figures``, ``map_figures``, ``profiles``; these with ``measures``,
``maps``, ``symbols``, ``shapes``, ``charts``, ``vega``, ``sparks``, ``series``, ``spine``, ``wording``), ``site`` fills
in, ``build`` writes (with ``worker``, ``search``, ``paged``), ``preview`` serves authors.
"""

from dagster_project.reports.build import SiteReport, render_site
from dagster_project.reports.errors import PageError
from dagster_project.reports.preview import serve
from dagster_project.reports.wording import format_number, format_period, safe_file_name

__all__ = ["PageError", "SiteReport", "format_number", "format_period", "render_site", "safe_file_name", "serve"]

"""The release in force as a PostgreSQL database for BI: tables with keys, row-level security, PostGIS outlines.

Reads  a release and who is entitled to what of it; writes one schema for each region.

A release is replaced in one transaction, as rows: old ones are deleted, new ones copied in, and PostgreSQL's own
snapshots keep every reader on one release. No table is renamed or dropped, so nobody waits for anybody.
"""

from dagster_project.postgres.errors import PostgresMistake
from dagster_project.postgres.publishing import DSN, Published, publish

__all__ = ["DSN", "PostgresMistake", "Published", "publish"]

"""The independent audit of a release: what can be found out from what it prints.

Knows nothing of how numbers came to be hidden and imports nothing of it.
"""

from dagster_project.disclosure_audit.report import COLUMNS, DESCRIPTION, MART, Exposed, Report, audit

__all__ = ["COLUMNS", "DESCRIPTION", "MART", "Exposed", "Report", "audit"]

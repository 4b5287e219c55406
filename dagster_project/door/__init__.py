"""The HTTP door for programs: areas with their values as OGC API – Features, and every value of a release.

`app` joins the parts: `guard` lets in whom `tokens` and `limits` let in, `standing` holds the release in force open,
`parameters` says what may be asked, `features` and `values` answer, `answers` is the form of what they answer.
Read-only: nothing is written, nothing but a release is read, and one request is answered from exactly one release.
"""

from dagster_project.door.app import application
from dagster_project.door.tokens import TokenMistake, issue, revoke

__all__ = ["TokenMistake", "application", "issue", "revoke"]

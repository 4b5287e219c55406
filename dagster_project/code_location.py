"""What `dagster` loads: the definitions of every declared region."""

from dagster_project.definitions import all_definitions

defs = all_definitions()

"""What the measures count, as their definitions say it: who belongs to whom. Reads and writes nothing.

Written from the texts of the indicators and the contracts, not from the relations the observation models declare, so
that a relation forgotten there is found here.
"""

from __future__ import annotations

RETIREMENT = "retirement"  # an age bound that moves with the year
MONTHS_A_YEAR = 12

# residents of an age, in completed years: from (including) to (excluding)
AGES: dict[str, tuple[int | str, int | str | None]] = {
    "population": (0, None),
    "population_under_3": (0, 3),
    "population_3_to_5": (3, 6),
    "population_under_6": (0, 6),
    "population_under_15": (0, 15),
    "population_under_18": (0, 18),
    "population_under_20": (0, 20),
    "population_under_21": (0, 21),
    "population_15_to_64": (15, 65),
    "population_18_to_64": (18, 65),
    "population_20_to_64": (20, 65),
    "population_65_plus": (65, None),
    "population_80_plus": (80, None),
    "population_under_retirement_age": (0, RETIREMENT),
    "population_working_age": (15, RETIREMENT),
}

# whole, and parts of it that exclude each other
PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("population", ("population_migration",)),
    ("population_migration", ("population_foreign",)),
    ("population_foreign", ("population_non_eu",)),
    ("population", ("population_female",)),
    ("households", ("households_size_1", "households_with_children")),
    ("households_size_1", ("households_single_65_plus",)),
    ("households_with_children", ("households_single_parent",)),
    ("examined", ("examined_language_abnormal",)),
    ("examined", ("examined_obesity",)),
    ("examined", ("examined_booklet",)),
    ("examined_booklet", ("examined_checks_complete",)),
    ("sgb2_persons", ("sgb2_under_15",)),
    ("sgb2_households", ("sgb2_households_with_children",)),
    ("unemployed", ("unemployed_long_term",)),
    ("basic_security_outside", ("basic_security_outside_65_plus",)),
    ("help_cases", ("help_cases_without_counselling",)),
    ("help_cases_without_counselling", ("help_cases_without_counselling_under_21",)),
)

# a sum of values, who has them, and between what a single one lies
VALUE_SUMS: dict[str, tuple[str, int, int | None]] = {
    "age_sum": ("population", 0, 120),
    "housing_benefit_amount": ("housing_benefit_households", 1, None),
}
OLDEST = 120

# The commands people use. `make demo` runs the main job, `make test` the tests; both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# which region `make demo` shows: one that the simulator can write
REGION ?= musterkreis

.PHONY: demo test dev bench check clean

demo: $(INSTALLED)
	$(BIN)/sozialraum demo $(REGION)

test: $(INSTALLED)
	$(BIN)/python -m pytest

dev: $(INSTALLED)
	$(BIN)/sozialraum dev

bench: $(INSTALLED)
	$(BIN)/python tests/bench/bench.py

check: $(INSTALLED)
	$(BIN)/sozialraum check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(INSTALLED): constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) data

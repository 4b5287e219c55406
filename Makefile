# The commands people use. `make demo` runs the main job, `make test` the tests; both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# which region `make demo` and `make reports` show; the simulator can write this one
REGION ?= musterkreis

.PHONY: demo test soak dev bench check reports clean

demo: $(INSTALLED)
	$(BIN)/sozialraum demo $(REGION)

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# minutes, and hours for the releases of 40 worlds: what is too long for every build
soak: $(INSTALLED)
	$(BIN)/python -m pytest -n0 tests/soak/soak_*.py
	for file in verdicts conversions releases; do $(BIN)/python tests/soak/$$file.py || exit 1; done

dev: $(INSTALLED)
	$(BIN)/sozialraum dev

reports: $(INSTALLED)
	$(BIN)/sozialraum reports $(REGION)

bench: $(INSTALLED)
	for file in tests/bench/bench_*.py; do $(BIN)/python $$file || exit 1; done

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

# Short names for what is done every day; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv test test-all check format

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

venv: $(STAMP)  ## make the virtual environment and install the project with everything into it

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[compress,dev]'
	touch $@

test: venv  ## run the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

test-all: venv  ## run every test, the heavy ones too, one after the other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m ''

check: venv  ## lint, format and types, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: venv  ## repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

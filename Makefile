# Short names for what is done every day; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VENV4 ?= .venv-transformers-4
STAMP4 := $(VENV4)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-all test-transformers-4 check format

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

venv: $(STAMP)  ## make the virtual environment and install the project with everything into it

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[compress,hub,dev]'
	touch $@

demo: venv  ## the main job on Python's own documentation: teacher, engine, report; about seven minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[compress,demo]'
	$(BIN)/compressor demo --output demo --force

test: venv  ## run the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

test-all: venv  ## run every test, the heavy ones too, one after the other
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m ''

test-transformers-4: $(STAMP4)  ## the tests that meet transformers, with its version 4
	OMP_NUM_THREADS=1 $(VENV4)/bin/python -m pytest tests/teachers

$(STAMP4): pyproject.toml
	$(PYTHON) -m venv $(VENV4)
	$(VENV4)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[compress,dev]' 'transformers<5'
	touch $@

check: venv  ## lint, format and types, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: venv  ## repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

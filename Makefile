# Everything runs in .venv, which the first target that needs it creates. PYTHON=... picks another interpreter.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint type contracts format bench clean

BIN := .venv/bin
RUNTIME := .venv/.installed
DEV := .venv/.installed-dev
SUPPORTED := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	if $$p -c '$(SUPPORTED)' 2> /dev/null; then echo $$p; break; fi; done)

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 16

demo: $(RUNTIME) ## drive the built-in planners through the built-in scenes: leaderboard and report
	@$(BIN)/drive demo

test: $(DEV) ## all tests that are not marked slow
	@$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(DEV) ## every test
	@$(BIN)/python -m pytest -n 2

lint: $(DEV) ## style and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

type: $(DEV) ## static types
	@$(BIN)/mypy

contracts: $(DEV) ## which package may import which
	@$(BIN)/lint-imports

format: $(DEV) ## rewrite the layout, sort imports
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(RUNTIME) ## the speed table
	@$(BIN)/drive bench

clean: ## remove the environment, caches and builds (runs/ stays)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 with venv is needed (Debian: sudo apt install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@ $(RUNTIME)

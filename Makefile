# One place for the commands; each works from a fresh clone.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PORT ?= 8080

.PHONY: help demo run test bench endure lint lock picture clean

help: ## What can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## Play a sample organisation and leave its dashboard open (DEMO_EXIT=1: load, check, exit)
	PORT=$(PORT) $(BIN)/rollforward demo

run: $(VENV)/.run ## Start the server on an empty store
	PORT=$(PORT) $(BIN)/rollforward serve

test: $(VENV)/.dev ## Every test, on both engines
	bash .ci/services
	$(BIN)/python -m pytest -n auto --dist loadgroup

bench: $(VENV)/.dev ## Benchmarks: figures beside their yardsticks
	$(BIN)/python -m benchmarks

endure: $(VENV)/.dev ## The long forms of the reliability checks
	bash .ci/services
	ENDURE=1 $(BIN)/python -m pytest -m endure

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

picture: $(VENV)/.dev ## The README's picture, from the demo
	$(BIN)/python docs/picture.py

lock: ## Resolve the dependencies again (needs uv)
	uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --no-annotate --no-header --upgrade \
		--extra build --extra postgres pyproject.toml -o requirements.lock
	uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --no-annotate --no-header -c requirements.lock \
		--extra build --extra dev --extra postgres pyproject.toml -o requirements-dev.lock
	uv pip compile --quiet --generate-hashes --no-emit-index-url --universal --no-annotate --no-header --python-version 3.11 \
		--upgrade tests/clients/requirements.in -o tests/clients/requirements.lock

clean: ## Remove what was built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Each target makes .venv by itself when it is missing or older than its lock.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# Files run side by side: most of a test's time is waiting for DM, so more workers than cores pay.
WORKERS ?= 3

.PHONY: run test lint render lock clean

run: .venv/.run
	@$(BIN)/dmioc run $(ARGS)

test: .venv/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --warnings
	$(BIN)/lint-imports

render: .venv/.run
	$(BIN)/dmioc render

$(BIN)/python:
	$(PYTHON) -m venv .venv

# What is needed to run, and what is needed to test and lint: the second lock holds the first.
.venv/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing what dmioc needs into .venv ..."
	$(PIP) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	@echo "installing what the tests and the linters need into .venv ..."
	$(PIP) -r requirements-dev.lock
	@touch $@

# Needs uv (pip install uv). No index is written into the locks: your own pip settings hold.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	    --extra devices --extra aio --extra test --extra lint --group build -o requirements-dev.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	    --group build -c requirements-dev.lock -o requirements.lock pyproject.toml

clean:
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache

# Each target makes .venv by itself when it is missing or older than its lock.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

# Files run side by side: most of a test's time is waiting for DM, so more workers than cores pay.
WORKERS ?= 3

# How long a soak lasts, and how many kills.
MINUTES ?= 20
N ?= 1000

.PHONY: run test lint render lock clean help bench soak kills panel pictures debian

run: .venv/.run ## serve DEMO:DM:* with a local DM
	@$(BIN)/dmioc run $(ARGS)

test: .venv/.dev ## the whole test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# What some tests use and pip cannot bring; they are skipped where it is missing.
DEBIAN := chromium procserv tmux logrotate libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3

debian: ## Debian's packages that some tests use (as root)
	@dpkg -s $(DEBIAN) >/dev/null 2>&1 || \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DEBIAN) >/dev/null; }

panel: .venv/.dev ## the station's panel in PyDM, while make run serves it
	EPICS_CA_AUTO_ADDR_LIST=NO EPICS_CA_ADDR_LIST=127.0.0.1 EPICS_PVA_AUTO_ADDR_LIST=NO EPICS_PVA_ADDR_LIST=127.0.0.1 \
	    $(BIN)/pydm -m "P=DEMO:DM:" opi/pydm/dmioc_overview.ui

pictures: .venv/.dev ## pictures of every panel in opi/pictures, taken in PyDM without a screen
	$(BIN)/python tests/panels/pictures.py

bench: .venv/.dev ## figures beside bare servers and cp + md5sum, about 10 minutes; needs a quiet machine
	$(BIN)/python tests/bench/run.py $(ARGS)

soak: .venv/.dev ## 200 clients, over 2,000 PVs, work and faults for MINUTES, and 5 more with stalled clients
	$(BIN)/python tests/bench/soak.py --minutes $(MINUTES) $(ARGS)

kills: .venv/.dev ## kill -9 of the gateway at N points of its commands
	$(BIN)/python tests/bench/kills.py --kills $(N) $(ARGS)

lint: .venv/.dev ## ruff, pyright (strict), import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --warnings
	$(BIN)/lint-imports

render: .venv/.run ## write what is made from the catalogue
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
lock: ## new lock files
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	    --extra devices --extra aio --extra test --extra lint --group build -o requirements-dev.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	    --group build -c requirements-dev.lock -o requirements.lock pyproject.toml

clean: ## remove what was installed
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

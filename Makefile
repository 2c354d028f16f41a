# Needs Python 3.11 or newer, make and Node. Each target sets up what it needs, once for each state of the
# files that say what that is: a stamp's name carries their checksum, so a checkout's dates do not matter.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=
SEEDS ?= 1000
FIRST ?= 0
SECONDS ?= 60
PARSERS ?=
UV ?= uv

VENV := .venv
DEMO_VENV := .venv-demo
CODE = $(wildcard src tests typing_tests tools benchmarks)

checksum = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')
DEV_STAMP := $(VENV)/.stamp-$(call checksum,requirements/dev.txt pyproject.toml)
DEMO_STAMP := $(DEMO_VENV)/.stamp-$(call checksum,requirements/demo.txt pyproject.toml)

# The tests of the pages need axe-core, those of Workers need Pyodide and workerd, those of packages/client TypeScript
# and Vite; without Node they say what is missing and skip themselves.
ifneq ($(and $(shell command -v npm 2>/dev/null),$(wildcard package-lock.json)),)
NODE_STAMP := node_modules/.stamp-$(call checksum,package.json package-lock.json)
PYODIDE_STAMP := .pyodide/.stamp-$(call checksum,package-lock.json requirements/dev.txt tools/pyodide_wheels.py)
endif

CHECKS := check-style check-mypy check-pyright check-borders check-generated check-pins

.PHONY: help demo prepare test simulate fuzz check $(CHECKS) bench generate docs lock clean

# The tests start hundreds of processes: none of them is to compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:

help:
	@echo "make demo      run the demo application (HOST, PORT)"
	@echo "make prepare   set up what the tests need; every other target sets up its own"
	@echo "make test      run the tests (WORKERS, PYTEST_ARGS)"
	@echo "make simulate  run the simulated fleet (SEEDS, FIRST)"
	@echo "make fuzz      put every parser of what clients send under fire (SECONDS each, PARSERS)"
	@echo "make check     linters, type checkers, import borders, generated code"
	@echo "make bench     run the benchmarks (BENCH_ARGS)"
	@echo "make generate  write the synchronous side from the asynchronous one"
	@echo "make docs      build the documentation into docs/_build/html"
	@echo "make lock      pin the requirements anew; needs uv"
	@echo "make clean     remove everything that make has made, the environments too"

demo: $(DEMO_STAMP)
	$(DEMO_VENV)/bin/coatcheck demo --host $(HOST) --port $(PORT)

prepare: $(DEV_STAMP) $(NODE_STAMP) $(PYODIDE_STAMP)

test: prepare
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

simulate: $(DEV_STAMP)
	$(VENV)/bin/python tools/simulate.py $(SEEDS) --first $(FIRST)

fuzz: $(DEV_STAMP)
	$(VENV)/bin/python -m tools.fuzz $(SECONDS) $(PARSERS)

# Each a target of its own, so that `make -j2 check docs` has two of them run at a time.
check: $(CHECKS)

check-style: $(DEV_STAMP)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

check-mypy: $(DEV_STAMP)
	$(VENV)/bin/mypy $(CODE)

check-pyright: $(DEV_STAMP)
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

check-borders: $(DEV_STAMP)
	$(VENV)/bin/lint-imports

check-generated: $(DEV_STAMP)
	$(VENV)/bin/python tools/generate_sync.py --check
	$(VENV)/bin/python -m tools.write_client_types --check

check-pins:
	@echo "looking for addresses in the pinned requirements"
	@if grep -nE '://|^[[:space:]]*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)([[:space:]=]|$$)' \
		requirements/*; then echo "a requirements file names an index or an address"; exit 1; fi
	@if grep -n '"resolved": "[a-z+]*:' package-lock.json; then \
		echo "package-lock.json names a registry: npm install --omit-lockfile-registry-resolved"; exit 1; fi

bench: $(DEV_STAMP)
	$(VENV)/bin/python -m benchmarks $(BENCH_ARGS)

generate: $(DEV_STAMP)
	$(VENV)/bin/python tools/generate_sync.py
	$(VENV)/bin/python tools/write_openapi.py
	$(VENV)/bin/python -m tools.write_client_types

docs: $(DEV_STAMP)
	$(VENV)/bin/python tools/rule_tests.py
	$(VENV)/bin/python -m sphinx -W --keep-going -b html docs docs/_build/html

lock:
	$(foreach name,demo dev,$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links requirements/$(name).in -o requirements/$(name).txt >/dev/null$(newline))

clean:
	rm -rf .venv .venv-demo .pyodide node_modules build dist packages/*/dist examples/*/dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache
	find src tests docs tools benchmarks typing_tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

define newline


endef

# $(1): the environment, $(2): its pinned requirements. The package itself goes in last and editable, with the
# pinned build backend. Nothing of this asks for the caller's attention unless it fails.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "coatcheck needs Python 3.11 or newer; name one: make PYTHON=python3.13")'
	@echo "setting up $(1)"
	@$(PYTHON) -m venv $(1)
	@rm -f $(1)/.stamp-*
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(DEV_STAMP):
	$(call install,$(VENV),requirements/dev.txt)

$(DEMO_STAMP):
	$(call install,$(DEMO_VENV),requirements/demo.txt)

$(PYODIDE_STAMP): $(DEV_STAMP)
	@rm -rf .pyodide
	@$(VENV)/bin/python tools/pyodide_wheels.py .pyodide
	@touch $@

$(NODE_STAMP): ; npm ci --no-audit --no-fund --ignore-scripts && touch $@

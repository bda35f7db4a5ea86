# Needs make and a Python of 3.11 or newer; everything else is installed into .venv.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PORT ?= 8000
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES = cds_service hooks tests

.PHONY: help run test check proof mutation soak memory crash bench screenshots lock sbom audit clean

help:
	@echo "make run    serve on http://127.0.0.1:8000 (PORT=... changes it)"
	@echo "make test   format, lint, types, import directions and all tests"
	@echo "make check  the same without the tests"
	@echo "make proof  second reading of the specification, sweeps, relations, coverage of the rules"
	@echo "make mutation  does a test fail when the rules are wrong? MUTANTS=300 SEED=1"
	@echo "make soak   ten minutes of load with faults on half of the FHIR servers"
	@echo "make memory 100,000 requests: memory, open files and threads must not grow"
	@echo "make crash  200 SIGKILLs under feedback, on SQLite and PostgreSQL: is anything lost?"
	@echo "make bench  compare with a bare Flask application"
	@echo "make screenshots  renew the pictures of the README (needs chromium)"
	@echo "make lock   renew the lock files"
	@echo "make sbom   list what runs, with versions, hashes and licences (dist/sbom.cdx.json)"
	@echo "make audit  known holes in what runs; fails too when they could not be looked up"
	@echo "make clean  remove what the other targets made"

# A lock names everything: to look for more would take what was released since, where a package
# asks for another with an extra, and then refuse it for its missing hash.
LOCKED = --no-deps --require-hashes

# One stamp per step: a second run has nothing to do.
$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements.lock requirements-build.lock pyproject.toml
	$(PIP) install $(LOCKED) -r requirements.lock
	$(PIP) install $(LOCKED) -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	$(PIP) install $(LOCKED) -r requirements-dev.lock
	@touch $@

run: $(VENV)/.run
	@exec $(BIN)/cds-service serve --port $(PORT)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n auto -rs

# Branch coverage of the rules comes from their own tests and the proof, not from the web tests.
proof: $(VENV)/.dev
	PROOF_CHARTS=20000 PROOF_EXAMPLES=5 $(BIN)/python -m pytest -n auto -rs -m "proof or not proof" \
		tests/proof tests/services --cov=hooks --cov-branch --cov-report=term --cov-fail-under=100

MUTANTS ?= 300
SEED ?= 1
mutation: $(VENV)/.dev
	$(BIN)/python tools/mutation.py --mutants $(MUTANTS) --seed $(SEED)

soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak

memory: $(VENV)/.dev
	$(BIN)/python -m benchmarks.memory

crash: $(VENV)/.dev
	$(BIN)/python -m benchmarks.crash

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.dev
	$(BIN)/python tools/screenshots.py

# No registry address belongs into a lock file.
LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-header --python-version 3.11

lock: $(VENV)/.dev
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra postgres -c requirements.lock -o requirements-postgres.lock
	$(LOCK) --group build -c requirements.lock -o requirements-build.lock
	$(LOCK) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

sbom: $(VENV)/.dev
	$(BIN)/python tools/sbom.py --output dist/sbom.cdx.json

audit: $(VENV)/.dev
	$(BIN)/python tools/audit.py

clean:
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

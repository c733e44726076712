# Everything from a fresh clone: nothing but Python 3.11+ and make is needed to run, Java and Maven as well for the Spark tests.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEV_PORT ?= 3000

# The same folder for every process, wherever it stands. Not by `abspath`, which splits a path at its blanks.
ifeq ($(strip $(HEALTHCARE_HOME)),)
override HEALTHCARE_HOME := $(CURDIR)/.healthcare
else ifneq ($(filter ~/%,$(firstword $(HEALTHCARE_HOME))),)
override HEALTHCARE_HOME := $(subst ~/,$(HOME)/,$(HEALTHCARE_HOME))
else ifeq ($(filter /%,$(firstword $(HEALTHCARE_HOME))),)
override HEALTHCARE_HOME := $(CURDIR)/$(HEALTHCARE_HOME)
endif
export HEALTHCARE_HOME
export DAGSTER_HOME := $(HEALTHCARE_HOME)/dagster
export DAGSTER_DISABLE_TELEMETRY := yes
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

# One lock holds what running needs; the other adds Spark, the tests' and the linters' tools.
RUN_READY := $(VENV)/.ready-run
DEV_READY := $(VENV)/.ready-dev
ENGINE_READY := $(if $(filter spark,$(HEALTHCARE_ENGINE)),$(DEV_READY) delta-jars,$(RUN_READY))

# Without the port Dagster would go on without a UI, with a second daemon beside the one of whoever has it.
PORT_IS_FREE := import socket; socket.create_server(('127.0.0.1', $(DEV_PORT))).close()

DELTA_VERSION := 4.4.0
DELTA_JARS := $(VENV)/share/delta
MAVEN_COPY := mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -DoutputDirectory="$(CURDIR)/$(DELTA_JARS)"

.PHONY: help
help: ## Show the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.PHONY: run
run: $(ENGINE_READY) ## Materialise the graph end to end and say what happened
	@$(BIN)/python -m healthcare_assets

.PHONY: dev
dev: $(ENGINE_READY) ## Open the Dagster UI on 127.0.0.1:3000
	@$(BIN)/python -c "$(PORT_IS_FREE)" 2>/dev/null || \
		{ echo "Port $(DEV_PORT) of 127.0.0.1 is taken: stop what listens there (another make dev?), or take another: make dev DEV_PORT=3001."; exit 1; }
	@$(BIN)/python -m healthcare_assets.dagster_home
	@$(BIN)/dagster dev --workspace workspace.yaml --host 127.0.0.1 --port $(DEV_PORT)

.PHONY: serve
serve: $(RUN_READY) ## Answer requests with the champion on 127.0.0.1:5001
	@$(BIN)/python -m healthcare_assets.serve

.PHONY: report
report: $(ENGINE_READY) ## Write the site with the pages that people open
	@$(BIN)/python -m healthcare_assets.report

# Once it is open it can be changed: it asks for the token in the address that it shows. It would ask the package index
# for a newer version of itself, too.
.PHONY: explore
explore: $(DEV_READY) ## Open the notebook about costs and risks on 127.0.0.1:2718
	@MARIMO_SKIP_UPDATE_CHECK=1 $(BIN)/python -m marimo edit --host 127.0.0.1 --port 2718 healthcare_assets/exploration.py

# A file's tests stay together, since they share what is expensive to make: a Spark, a trained model.
TEST_PROCESSES ?= 2
.PHONY: test
test: $(DEV_READY) delta-jars emulator ## Run the whole suite
	@command -v java >/dev/null || echo "No Java on this machine: the tests on Spark are left out."
	@test -f $(EMULATOR_READY) || echo "The Databricks emulator is not installed: the tests on a workspace are left out."
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

TRIALS ?= 200
SEED ?= 1
.PHONY: trials
trials: $(DEV_READY) ## Kill jobs at random moments, and say what was found
	@$(BIN)/python -W ignore -m healthcare_assets_tests.killing --trials $(TRIALS) --seed $(SEED)

# Deliveries and tables of the measurements stay there for the next ones; `make clean` removes them.
BENCH_FOLDER ?= .bench
.PHONY: bench
bench: $(DEV_READY) ## Measure here and now: whole days by the number of records, and each part
	@$(BIN)/python -W ignore -m healthcare_assets_tests.bench --folder $(BENCH_FOLDER) --out docs/benchmarks

.PHONY: bench-tables
bench-tables: $(DEV_READY) ## Write the documents' tables anew from the newest measurements
	@$(BIN)/python -m healthcare_assets_tests.bench.published

.PHONY: reference
reference: $(DEV_READY) ## Write the reference (docs/reference) anew from the code
	@$(BIN)/python -m healthcare_assets_tests.documents.reference

.PHONY: screenshots
screenshots: $(DEV_READY) ## Take the README's pictures of the UI anew (needs Chromium)
	@$(BIN)/python -m healthcare_assets_tests.documents.screenshots

.PHONY: lint
lint: $(DEV_READY) ## Check format, lint rules, types and the definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/dg check defs

.PHONY: audit-verify
audit-verify: $(ENGINE_READY) ## Verify that no entry of the audit trail was changed or removed
	@$(BIN)/python -m healthcare_assets.audit

# Asks the Python Packaging Advisory Database, which takes a network.
.PHONY: audit
audit: $(DEV_READY) ## Look for known vulnerabilities of what the locks name
	@for lock in requirements.lock requirements-dev.lock requirements-emulator.lock; do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; \
	done

.PHONY: licences
licences: $(DEV_READY) ## List the licences of what is installed
	@$(BIN)/pip-licenses --from=mixed --with-system --order=license

SBOM := sbom.json
.PHONY: sbom
sbom: $(DEV_READY) ## Write sbom.json: what runs, with versions and hashes (CycloneDX)
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --of JSON -o $(SBOM)

.PHONY: bundle
bundle: $(DEV_READY) ## Write the Databricks bundle anew from the table of environments
	$(BIN)/python -m databricks_steps.bundle

# The tests that deploy use it where it is, and say so where it is not. It may fail: not every registry has the module.
DATABRICKS_CLI_VERSION := v1.13.0
.PHONY: databricks-cli
databricks-cli: ## Get the Databricks CLI for the tests that deploy (needs Go)
	@if test -x $(VENV)/share/databricks/databricks; then echo "It is there: $(VENV)/share/databricks/databricks"; \
	elif ! command -v go >/dev/null; then echo "No Go on this machine: the tests that deploy are left out."; \
	else GOBIN="$(CURDIR)/$(VENV)/share/databricks" go install github.com/databricks/cli@$(DATABRICKS_CLI_VERSION) && \
		mv $(VENV)/share/databricks/cli $(VENV)/share/databricks/databricks || \
		echo "The Databricks CLI could not be installed: the tests that deploy are left out."; \
	fi

.PHONY: lock
lock: ## Resolve the locks anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --all-extras --group dev \
		pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements-dev.lock \
		pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --group emulator \
		-o requirements-emulator.lock

.PHONY: clean
clean: ## Remove the environment and what `make bench` made (not the data)
	rm -rf $(VENV) .bench

# An environment without pip is what Debian leaves when python3-venv is missing: it is made anew, not kept.
MAKE_VENV := $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)

# --no-deps: the lock is complete, and pip need not resolve it again.
$(RUN_READY): requirements.lock
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(MAKE_VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

$(DEV_READY): requirements-dev.lock
	@echo "Setting up $(VENV) for development (once, about two minutes) ..."
	@$(MAKE_VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@ $(RUN_READY)

# Spark takes Delta Lake from here; without Maven it resolves the jars itself when a session starts.
.PHONY: delta-jars
delta-jars: $(DEV_READY)
	@if command -v mvn >/dev/null && ! test -f $(DELTA_JARS)/.ready-$(DELTA_VERSION); then \
		$(MAVEN_COPY) -Dartifact=io.delta:delta-spark_4.2_2.13:$(DELTA_VERSION) && \
		$(MAVEN_COPY) -Dartifact=io.delta:delta-storage:$(DELTA_VERSION) && \
		touch $(DELTA_JARS)/.ready-$(DELTA_VERSION); \
	fi

# The tests' Databricks workspace, in an environment of its own: the project's dependencies are not the emulator's.
# Where it cannot be installed the tests on it are left out; CI fails for want of it.
EMULATOR := $(VENV)/share/emulator
EMULATOR_READY := $(EMULATOR)/.ready-$(shell cksum < requirements-emulator.lock | cut -d ' ' -f 1)
.PHONY: emulator
emulator: $(DEV_READY)
	@test -f $(EMULATOR_READY) || { \
		$(BIN)/python -m venv --clear $(EMULATOR) && \
		$(EMULATOR)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
			-r requirements-emulator.lock && \
		touch $(EMULATOR_READY); \
	} || test -z "$$CI"

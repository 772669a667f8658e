PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 3
# The demo needs half of what development does; an environment that has it all will do.
DEMO_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-demo)
BENCH_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-bench)
DOCS_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-docs)

.PHONY: install lint test bare containers chaos trickle simulate mutants demo bench reference docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

$(VENV)/.installed-demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	touch $@

$(VENV)/.installed-bench: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

$(VENV)/.installed-mutants: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	touch $@

demo: $(DEMO_STAMP)
	$(BIN)/segue demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

# Most slow tests wait rather than compute: three at once are not too many for two processors. A file stays with one
# of them, for its fixtures; the slowest come first.
test: lint
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The same on a Debian that has nothing: `make bare`, or `make bare SUITE=forky`. Needs root and debootstrap.
bare:
	tests/bare.sh $(SUITE)

# docker-compose.yml with real containers, by podman and base images of Debian's packages. Needs root.
containers: $(STAMP)
	$(BIN)/python -m tests.containers

# `make bench JSON=file PLOT=file.svg QUICK=1`: all three may be left out.
bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks $(if $(JSON),--json $(JSON)) $(if $(PLOT),--plot $(PLOT)) $(if $(QUICK),--quick)

# The pages that are made from the code: configuration, commands and metrics.
reference: $(DOCS_STAMP)
	$(BIN)/python docs/reference.py

docs: reference
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis

# `make chaos ENGINE=sentinel SEED=7`: engines are redis, sentinel, cluster and rabbitmq; both may be left out.
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos $(or $(ENGINE),redis) $(SEED)

# `make trickle KIND=quiet,busy,slow ROUNDS=5`: both may be left out.
trickle: $(STAMP)
	$(BIN)/python -m tests.chaos.trickle $(or $(KIND),all) $(or $(ROUNDS),5)

# `make simulate SEEDS=500`: many seeds; `SEED=7` instead: one, with its story. `FAULT=name` puts an old fault back,
# `FIRST=501` begins there, `JOBS=2` uses two processes.
simulate: $(STAMP)
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200)) \
	  $(if $(FIRST),--first $(FIRST)) $(if $(FAULT),--fault $(FAULT)) $(if $(JOBS),--jobs $(JOBS))

# `make mutants ONLY="delivery.retry delivery.watch"`: these modules only.
mutants: $(VENV)/.installed-mutants
	$(BIN)/python -m tests.mutants $(ONLY)

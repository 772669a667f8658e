PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 3
# The demo needs half of what development does; an environment that has it all will do.
DEMO_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-demo)
BENCH_STAMP := $(if $(wildcard $(STAMP)),$(STAMP),$(VENV)/.installed-bench)

.PHONY: install lint test bare chaos demo bench clean

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

# `make bench JSON=file PLOT=file.svg QUICK=1`: all three may be left out.
bench: $(BENCH_STAMP)
	$(BIN)/python -m benchmarks $(if $(JSON),--json $(JSON)) $(if $(PLOT),--plot $(PLOT)) $(if $(QUICK),--quick)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

chaos: $(STAMP)
	$(BIN)/python -m tests.chaos $(SEED)

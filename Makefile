# SPDX-License-Identifier: GPL-2.0-only
# make run   set up, run the main job; ends with the table and the path of the HTML report
# make test  set up, run every test
# make debug  the models as plain Python, with lock assertions and bounds checks (docs/guide.md)
# make diff  the two VGICs side by side: the redesign (docs/the-redesign.md)
# Needs Python >= 3.11, make and a network. Everything goes into .venv and results/.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Where it is set, every process would compile all of the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test fuzz lint types debug diff bench clean

run: $(VENV)/.installed
	$(BIN)/vgic-bench run $(RUN_OPTIONS)

test: $(VENV)/.installed-test
	@# On all cores; the tests, one after the other, would compile on one.
	$(BIN)/python -m bench.meters.compile
	$(BIN)/python -m bench.replay.compile
	$(BIN)/python -m pytest $(TEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

fuzz: $(VENV)/.installed-test
	@# N damaged inputs from the number SEED on, of some kinds only with KINDS=trace,toml: see tests/fuzz.
	$(BIN)/python -m tests.fuzz $(or $(N),500) $(or $(SEED),1) $(KINDS)

debug: $(VENV)/.installed-test
	VGIC_BENCH_DEBUG=1 $(BIN)/python -m pytest tests/kvmarm/test_debug.py tests/vgic_old tests/vgic_new $(TEST_OPTIONS)

diff: | $(BIN)/python
	@$(BIN)/python -m tests.diff_models vgic_old vgic_new

bench: $(VENV)/.installed-test
	$(BIN)/python -m pytest bench --benchmark-only

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vgic-bench needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

clean:
	rm -rf $(VENV) build dist *.egg-info

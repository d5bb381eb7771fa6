# `make demo` and `make test` need Python 3.11 or later with venv, and nothing else.
#
#   PYTHON                 which Python makes the virtual environment (python3)
#   VENV                   where the environment lies (.venv)
#   FILES                  a folder of films that `make conformance` also goes through
#   VIDCOLOR_TORCH_INDEX   address of a package index with CPU builds of torch, asked besides the
#                          usual one; without it, Linux gets the much larger CUDA build

PYTHON ?= python3
VENV ?= .venv

CLIP := sample_clips/sample_bw.mp4
DEMO := demo_out.mp4

# Installing again is needed only when one of these changes; the stamps remember when it was done.
RECIPE := pyproject.toml constraints.txt
READY := $(VENV)/.installed
READY_DEV := $(VENV)/.installed-dev

EXTRA_INDEX := $(if $(VIDCOLOR_TORCH_INDEX),--extra-index-url $(VIDCOLOR_TORCH_INDEX))
INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt $(EXTRA_INDEX) --editable

.DEFAULT_GOAL := help
.PHONY: help demo test clustertest lint bench conformance killtest docs

help:
	@echo "make demo   set up, then colour $(CLIP) into $(DEMO)"
	@echo "make test   set up, then run the tests"
	@echo "make clustertest  set up with Ray, then colour films on a cluster of two nodes, one of which is lost"
	@echo "make lint   set up, then run ruff and mypy"
	@echo "make docs   set up, then make the guide's pages in site/"
	@echo "make bench  set up, then measure against a plain re-encode"
	@echo "make conformance  set up, then put all kinds of files through, FILES=folder of yours too"
	@echo "make killtest  set up, then kill jobs at random moments and let them go on"

demo: $(READY)
	$(VENV)/bin/vidcolor $(CLIP) $(DEMO) --overwrite

test: $(READY_DEV)
	$(VENV)/bin/python -m pytest -q

# Ray is large, and needed for nothing else.
clustertest: $(READY_DEV)
	$(INSTALL) '.[dev,cluster]'
	$(VENV)/bin/python -m pytest -q tests/test_jobs_cluster.py

lint: $(READY_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Strict: a link to nowhere ends it.
docs: $(READY_DEV)
	$(INSTALL) '.[dev,docs]'
	$(VENV)/bin/zensical build --clean --strict

bench: $(READY_DEV)
	$(VENV)/bin/python benchmarks/speed.py

conformance: $(READY_DEV)
	PYTHONPATH=tests $(VENV)/bin/python -m conformance $(if $(FILES),--files "$(FILES)")

killtest: $(READY_DEV)
	PYTHONPATH=tests $(VENV)/bin/python -m killtest

# pip is the last thing venv puts in place, so its presence means a whole environment.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"vidcolor needs Python 3.11 or later; try: make PYTHON=python3.11")'
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time takes some minutes ..."
endef

$(READY): $(RECIPE)
	$(make_venv)
	$(INSTALL) .
	@touch $@

$(READY_DEV): $(RECIPE)
	$(make_venv)
	$(INSTALL) '.[dev]'
	@touch $(READY) $@

# `make run` and `make test` need Python 3.11 or later, git and make; the rest they fetch into .venv.

SHELL := /bin/bash
PYTHON ?= python3
export DO_NOT_TRACK := true
export PATH := $(CURDIR)/.venv/bin:$(PATH)

BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install run test test-faults test-services test-places lint adapt augment bench gpu-check compare reproduce results repro ui viz lock clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 8

install: $(STAMP)  ## .venv with everything, at the versions of the lock file

run: $(STAMP)  ## the main job: meta-train, evaluate, report (ENV=omniglot chooses conf/omniglot)
	$(BIN)/kedro run $(if $(ENV),--env $(ENV))

test: $(STAMP) lint  ## lint and all tests, a file of them on each core
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-faults: $(STAMP)  ## kill runs at random moments and compare what they end with (some minutes)
	$(BIN)/pytest -m fault_injection -rs

test-services: $(STAMP)  ## a shared MLflow server with PostgreSQL and S3, and its pages in a browser, where those are installed
	$(BIN)/pytest -m services -rs

test-places: $(STAMP)  ## the smoke job as in a container, in a work tree, without git ... (PLACE=container: that one)
	$(BIN)/pytest tests/test_places.py -m places -rs $(if $(PLACE),-k $(PLACE))

lint: $(STAMP)  ## ruff, that imports go one way, and types
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/lint-imports
	$(BIN)/mypy

# The name of the folder passes through no quoting of make, shell or YAML.
unexport IMAGES AUDIO TEXT
ifdef IMAGES
adapt: export METAGAN_ADAPT_IMAGES = $(value IMAGES)
endif
ifdef AUDIO
adapt: export METAGAN_ADAPT_AUDIO = $(value AUDIO)
endif
ifdef TEXT
adapt: export METAGAN_ADAPT_TEXT = $(value TEXT)
endif
adapt: $(STAMP)  ## adapt the trained meta-model to pictures of one thing (IMAGES=DIR), recordings of one word (AUDIO=DIR) or lines of one kind (TEXT=FILE)
	$(BIN)/kedro run $(if $(ENV),--env $(ENV),$(if $(value TEXT),--env text)) --pipelines adapt$(if $(value AUDIO),_speech)$(if $(value TEXT),_text)

ifdef IMAGES
augment: export METAGAN_AUGMENT_IMAGES = $(value IMAGES)
endif
augment: $(STAMP)  ## more pictures of the classes of a folder, and whether they help (IMAGES=DIR)
	$(BIN)/kedro run $(if $(ENV),--env $(ENV)) --pipelines augment

bench: $(STAMP)  ## time the meta-step against higher and torchopt
	$(BIN)/python -m metagan.bench

gpu-check:  ## on a machine with a GPU: whether it computes what the CPU does, and how fast (PYTHON chooses an interpreter)
	PYTHONPATH=src $(PYTHON) -m metagan.gpu_check

compare: $(STAMP)  ## maml, fomaml and reptile for the same time (ENV=omniglot chooses conf/omniglot)
	$(BIN)/kedro run $(if $(ENV),--env $(ENV)) --pipelines tasks,embedder,compare_meta_gradients

METHOD ?= prototypical
# Without WAYS and SHOTS, all cells of the row that one network gives.
CELL := $(if $(WAYS)$(SHOTS),_$(or $(WAYS),5)w$(or $(SHOTS),1)s)

reproduce: $(STAMP)  ## a published row on Omniglot (METHOD=prototypical WAYS=5 SHOTS=1)
	$(BIN)/kedro run --pipelines tasks,compare_classifiers --params recipe=$(METHOD)$(CELL)

results: $(STAMP)  ## write docs/results.md; NAME=... records the last run there first
	$(BIN)/python -m metagan.results $(NAME)

repro: $(STAMP)  ## the same job stage by stage under DVC, skipping what has not changed
	$(BIN)/dvc repro

PORT ?= 5000

ui: $(STAMP)  ## look at the runs in a browser (PORT=5001 where 5000 is taken)
	$(BIN)/python -m metagan.ui $(PORT)

viz: $(STAMP)  ## look at the pipeline in a browser
	$(BIN)/kedro viz run --host 127.0.0.1

lock: $(STAMP)  ## renew requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --upgrade --upgrade-package torch==2.13.0 --all-extras --allow-unsafe --strip-extras --no-annotate \
	  --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  --quiet --output-file requirements.lock pyproject.toml
	sed -i -E -e 's/\+cpu$$//' -e '/^(nvidia-|cuda-|triton)/d' -e '/^#/d' -e '/^$$/d' requirements.lock

# Installs again only when the lock file or pyproject.toml has changed.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("metagan needs Python 3.11 or later, not " + sys.version)'
	@# An environment that was interrupted while it was made has a Python, but nothing to install with.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index pip >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

clean:  ## remove what runs leave behind, not the environment
	find data -mindepth 2 -maxdepth 2 ! -name .gitkeep ! -name '*.dvc' -exec rm -rf {} +
	rm -rf .viz .pytest_cache .ruff_cache .mypy_cache .hypothesis mlflow.db* mlruns

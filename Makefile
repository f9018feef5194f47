# make repro   build .venv, rebuild every experiment, sign, verify        make ui    look at the runs in MLflow
# make test    build .venv, run the test suite                            make lint  ruff and mypy
# make gpu-check   compare models trained on the GPU with what they make on a CPU
# make bench   what it costs                                              make soak  faults, mutants, a large ledger
# make images  generators of images, the same way
# make tables  generators of tables against peers: hours, resumable (MINUTES=60, CACHE=folder)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPERIMENTS ?=
LOCKED := pipeline timestamp store

# DVC and its stages look up `python` on the path; nothing of this phones home.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: repro test lint ui story gpu-check bench tables images soak clean env lock

repro: $(VENV)/.pipeline .dvc/tmp/plots.html
	synthtrail repro $(EXPERIMENTS)

test: $(VENV)/.dev .dvc/tmp/plots.html
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	ruff check
	ruff format --check
	mypy

ui: $(VENV)/.pipeline
	synthtrail ui

# Says "no GPU here: not checked" and succeeds where there is none; `synthtrail gpu-check --require` does not.
gpu-check: $(VENV)/.pipeline
	synthtrail gpu-check

# Two hospitals and an auditor, from a ward's records to their disposal, in under three minutes.
story: $(VENV)/.dev
	python -m tests.pipeline.story

bench: $(VENV)/.dev
	python benchmarks/pipeline.py
	python benchmarks/ledger.py
	python benchmarks/trial.py

# Peers in environments of their own below CACHE (4 GB); results are kept, so it can be stopped and goes on where it was.
CACHE ?= benchmarks/cache/tables
MINUTES ?= 60
tables: $(VENV)/.dev
	python benchmarks/tables.py --cache $(CACHE) --build
	python benchmarks/tables.py --cache $(CACHE) --minutes $(MINUTES)
	python benchmarks/tables.py --gate
	python benchmarks/tables.py --small
	python benchmarks/tables.py --report

# Generators of images against plain DCGANs: a day in all, resumable in the same way.
images: $(VENV)/.dev
	python benchmarks/images.py --minutes $(MINUTES)
	python benchmarks/images.py --report

# Every fault and mutant instead of a sample, and a ledger of a million entries: an hour and 2 GB of disk.
soak: $(VENV)/.dev
	SYNTHTRAIL_SOAK=1 python -m pytest tests/faults tests/unit/custody/test_mutants.py
	python benchmarks/soak.py
	SYNTHTRAIL_SHARED=$${SYNTHTRAIL_SHARED:-../shared} python benchmarks/image_set.py

env: $(VENV)/.dev

# `constraints.txt` pins what this version was tested with; README.md says how to choose a build of torch.
$(VENV)/.pipeline: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "synthtrail needs Python 3.11, 3.12 or 3.13; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -c constraints.txt -e '.[pipeline]'
	touch $@

$(VENV)/.dev: $(VENV)/.pipeline
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -c constraints.txt -e '.[dev]'
	touch $@

# DVC's page of plots loads Vega from a network; this one carries it.
.dvc/tmp/plots.html: $(VENV)/.pipeline
	synthtrail plots-page $@

# The environment to the byte: after a change of pyproject.toml or constraints.txt. A test holds it to both.
lock:
	$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet 'uv>=0.9'
	build/lock/bin/uv pip compile pyproject.toml $(foreach extra,$(LOCKED),--extra $(extra)) -c constraints.txt \
		--generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet -o requirements.lock

clean:
	rm -rf $(VENV) build dist

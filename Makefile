# Everything runs in .venv, which the first target that needs it sets up from requirements.lock.
#
#   make demo        the whole job on the documentation of the installed Python packages
#   make test        the tests
#   make lint        style and types
#   make docs        regenerate what is generated in docs/
#   make lock        resolve the dependencies anew
#
# PYTHON=python3.12 names another interpreter (3.11 or newer). PIP_FLAGS goes to `uv pip install`; with it the lock
# gives the versions but not the hashes, since other indexes hold other files: PIP_FLAGS=--torch-backend=cpu installs
# a torch without CUDA.

PYTHON ?= python3
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements.lock

.PHONY: demo test lint docs lock clean

demo: $(READY)
	rm -rf demo
	$(BIN)/sequitur corpus python-docs demo/python_docs.jsonl.zst --max-documents 10000
	$(BIN)/sequitur run demo.yaml
	$(BIN)/sequitur show demo/run/shards --context 0

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p pipeline -p stages -p text_core -p graph_sort -p shards -m beam_job

docs: $(READY)
	$(BIN)/python docs/generate.py

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --upgrade --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --output-file $(LOCK)

$(READY): $(LOCK) pyproject.toml | $(VENV)/bin/uv
	@echo "Setting up $(VENV): about 3 GB to download and 6.5 GB on disk on Linux, most of it torch with CUDA."
	@echo "Without CUDA about 0.6 GB and 2 GB: make $(MAKECMDGOALS) PIP_FLAGS=--torch-backend=cpu"
ifeq ($(PIP_FLAGS),)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes --requirement $(LOCK)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
else
	sed -n '/^[A-Za-z0-9]/s/ *\\$$//p' $(LOCK) | grep -Ev '^(nvidia|cuda|triton)' > $(VENV)/constraints.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet $(PIP_FLAGS) --constraint $(VENV)/constraints.txt --editable '.[dev]'
endif
	@touch $@

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'uv>=0.8,<1'

clean:
	rm -rf $(VENV) demo build *.egg-info

# Everything runs in .venv, which the first target that needs it sets up from requirements.lock.
#
#   make demo          the whole job on the documentation of the installed Python packages
#   make test          the tests
#   make test-install  the wheel, in clean environments: the demo, the recipe, the reader
#   make test-peers    the exports and adapters, read by the libraries they are for
#   make test-examples the examples in other trainers, and the notebook
#   make test-browser  the report in headless Chromium
#   make test-airflow  the DAG in a real Airflow, with a task killed
#   make test-s3       inputs, runs and shards on an S3 server, which is built from source
#   make test-borders  two thousand awkward inputs, whose truth is known; files that mean harm; killed jobs
#   make test-spark    the whole job on a Spark cluster of this machine, executors and drivers killed
#   make test-flink    the whole job on Flink, inside Beam's job server
#   make test-scale    what the deciding process holds of a hundred thousand and of a million documents
#   make test-lowest   the tests on the oldest versions of all packages that pyproject.toml allows
#   make lint          style and types
#   make docs          regenerate what is generated in docs/
#   make lock          resolve the dependencies anew
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
PEERS := common streaming trainers
MINIO := v0.0.0-20260212201848-7aac2a2c5b7c

# Bytecode is kept even where the environment says not to: else each process that a test starts compiles Beam and torch
# anew, for 25 seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-install test-peers test-examples test-browser test-airflow test-s3 test-borders test-spark test-flink test-scale test-lowest .java lint docs lock clean

demo: $(READY)
	$(BIN)/sequitur demo

# The tests in processes of their own, two at a time; what no other group has is in `rest`. Those of the kernels come
# first, and side by side have none in common, so that each kernel is compiled once. PyTorch's workers are forked in a
# process without the threads that other tests leave.
TESTS_text := tests/text_core
TESTS_graph := tests/graph_sort tests/shards
TESTS_jobs := $(wildcard tests/test_job*.py) tests/api
TESTS_rows := $(addprefix tests/stages/,annotate ingest neighbors refine shared)
TESTS_orders := $(addprefix tests/stages/,embed order pack report select tokenize)
TESTS_runs := tests/command_line tests/inspection tests/test_update.py
TESTS_rest = $(filter-out tests/stages tests/__pycache__ $(TESTS_text) $(TESTS_graph) $(TESTS_jobs) $(TESTS_runs),$(patsubst %/,%,$(wildcard tests/*/ tests/test_*.py)))
GROUPS := text graph rest jobs rows orders runs

test: $(READY)
	$(BIN)/python -m pytest tests/shards -m forks
	+$(MAKE) --jobs 2 --output-sync=target --no-print-directory $(GROUPS:%=tests-of-%)

# A process that is ended by a signal (on virtual machines CPython was, where no memory was at fault) is begun once more;
# one of which a test fails is not.
tests-of-%: $(READY)
	@$(BIN)/python -m pytest $(TESTS_$*) || { code=$$?; test $$code -gt 128 || exit $$code; \
		echo "$@: ended by signal $$((code - 128)), begun once more"; $(BIN)/python -m pytest $(TESTS_$*); }

test-install: $(READY)
	PIP_FLAGS='$(PIP_FLAGS)' $(BIN)/python -m pytest tests/test_wheel.py tests/dataflow -m install

test-peers: $(READY) .peers/common/.ready .peers/streaming/.ready
	$(BIN)/python -m pytest tests/peers -m ''

test-examples: $(READY) .peers/trainers/.ready
	$(BIN)/python -m pytest tests/examples -m trainers

# Chromium and its driver are those of the system: nothing is downloaded while the tests run.
test-browser: $(READY)
	@command -v chromium > /dev/null && command -v chromedriver > /dev/null || { \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo -n); \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq chromium chromium-driver; } > /dev/null 2>&1 || { \
		echo "error: no chromium and chromedriver; install them: sudo apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/python -m pytest tests/browser -m browser

# Airflow in an environment without the job's packages: the job is a program that its tasks start.
test-airflow: $(READY) .peers/airflow/.ready
	$(BIN)/python -m pytest tests/dags -m airflow

test-s3: $(READY) .peers/s3fs/.ready .peers/minio/$(MINIO)/minio
	PYTHONPATH=$(CURDIR)/.peers/s3fs:$(CURDIR) MINIO=$(CURDIR)/.peers/minio/$(MINIO)/minio \
		$(BIN)/python -m pytest tests/object_stores -m s3

test-borders: $(READY)
	$(BIN)/python -m pytest tests/test_borders.py tests/test_hostile.py tests/test_faults.py tests/test_update.py tests/api -m borders

# Java 17 and Maven are those of the system. Spark, Flink and Beam's job servers are fetched once.
test-spark test-flink: test-%: $(READY) .java
	+$(MAKE) --no-print-directory .engines/$*/.ready
	$(BIN)/python -m pytest tests/engines -m $*

.java:
	@java -version 2>&1 | grep -q 'version "17' && command -v mvn > /dev/null || { \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo -n); \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq openjdk-17-jre-headless maven; } > /dev/null 2>&1 || { \
		echo "error: no Java 17 and Maven; install them: sudo apt-get install openjdk-17-jre-headless maven"; exit 1; }

test-scale: $(READY)
	$(BIN)/python -m pytest tests/test_driver_benchmark.py -m scale

# With compiled kernels of their own, since each version of numba has its own.
test-lowest: .peers/lowest/.ready
	+NUMBA_CACHE_DIR=$(CURDIR)/$(<D)/numba PYTHONPATH=$(CURDIR) $(MAKE) --jobs 2 --output-sync=target \
		--no-print-directory BIN=$(<D)/bin $(GROUPS:%=tests-of-%)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p sequitur

docs: $(READY)
	$(BIN)/python -m docs.generate

lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --upgrade --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links pyproject.toml --output-file $(LOCK)
# The peers take the versions of the lock where they can: uv keeps those that the output file holds already. OLMo-core
# says torch<2.14 and filelock<4, of which its data loading needs neither; it gets those of the lock as well.
	sed -n '/^[A-Za-z0-9]/s/ *\\$$//p' $(LOCK) > $(VENV)/constraints.txt
	grep -E '^(torch|filelock)==' $(VENV)/constraints.txt > $(VENV)/overrides.txt
	for peers in $(PEERS) airflow; do \
		cp $(VENV)/constraints.txt tests/peers/$$peers.txt && \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --override $(VENV)/overrides.txt --no-annotate \
			--no-header --no-emit-index-url --no-emit-find-links tests/peers/$$peers.in \
			--output-file tests/peers/$$peers.txt || exit 1; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --resolution lowest-direct --extra dev --no-annotate \
		--no-header --no-emit-index-url --no-emit-find-links pyproject.toml --output-file tests/peers/lowest.txt
	cp $(VENV)/constraints.txt dataflow/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dataflow --extra gcs --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --output-file dataflow/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --constraint $(VENV)/constraints.txt --no-annotate \
		--no-header --no-emit-index-url --no-emit-find-links tests/object_stores/s3fs.in \
		| grep -v ' ; ' | grep -vxFf $(VENV)/constraints.txt > tests/object_stores/s3fs.txt

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

# Packages that .venv has in the same version are hard links: no second download, little disk.
.peers/%/.ready: tests/peers/%.txt | $(READY)
	rm -rf $(@D)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(@D)
ifeq ($(PIP_FLAGS),)
	$(BIN)/uv pip install --python $(@D)/bin/python --quiet --no-deps --requirement $<
else
	grep -Ev '^(nvidia|cuda|triton)' $< > $(@D)/requirements.txt
	$(BIN)/uv pip install --python $(@D)/bin/python --quiet $(PIP_FLAGS) --no-deps --requirement $(@D)/requirements.txt
endif
	@touch $@

# s3fs, and of what it needs that which .venv does not have.
.peers/s3fs/.ready: tests/object_stores/s3fs.txt | $(READY)
	rm -rf $(@D)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --target $(@D) --requirement $<
	@touch $@

# Three minutes of processor time, once. An older Go fetches the one that MinIO asks for.
.peers/minio/$(MINIO)/minio:
	@command -v go > /dev/null || { \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo -n); \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq golang-go; } > /dev/null 2>&1 || { \
		echo "error: no go to build MinIO with; install it: sudo apt-get install golang-go"; exit 1; }
	GOBIN=$(CURDIR)/$(@D) CGO_ENABLED=0 go install -ldflags='-s -w' github.com/minio/minio@$(MINIO)

JARS = mvn --quiet --batch-mode --file $(filter %.xml,$^) \
	org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime

.engines/spark/.ready: tests/engines/spark.txt tests/engines/spark.xml | $(READY)
	rm -rf $(@D)
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --target $(@D) --requirement tests/engines/spark.txt
	$(JARS) -DexcludeArtifactIds=slf4j-api -DoutputDirectory=$(CURDIR)/$(@D)/beam
	@touch $@

.engines/flink/.ready: tests/engines/flink.xml
	rm -rf $(@D)
	$(JARS) -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'uv>=0.8,<1'

clean:
	rm -rf $(VENV) .engines .peers demo build *.egg-info

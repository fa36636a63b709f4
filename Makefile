# `make demo` and `make test` do everything from a fresh clone: environment, installation, run.
# Another Python, beside the default one: `make demo PYTHON=python3.13 VENV=.venv-3.13`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CORE_TESTS := $(addprefix tests/framework/,config plugin stores)

.PHONY: demo test test-long test-core lint unit manifests reference docs notebooks bench clean

demo: $(VENV)/demo.stamp
	@$(BIN)/vicinal demo

test: lint unit

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check

# Three processes share the test files, each with servers of its own: with two, two cores wait for a quarter of the time.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

unit: $(VENV)/dev.stamp .venv-milvus/stamp
	$(PYTEST) -m "not long" $(ARGS)

# What is left out there: the endurance of servers, every kind and metric, strict typing of what is generated.
test-long: $(VENV)/dev.stamp .venv-milvus/stamp
	$(PYTEST) -m long $(ARGS)

# What depends on the Python version: configuration, plugins and stores, without torch, and the sample of molecules.
test-core: $(VENV)/core.stamp .venv-milvus/stamp
	$(BIN)/vicinal ingest configs/molecule.yaml
	$(BIN)/vicinal search configs/molecule.yaml @aspirin
	$(BIN)/python -m pytest -m "not all_encoders and not long" $(CORE_TESTS) $(ARGS)

# What Kubernetes would get of each overlay: rendered by kubectl into build/manifests, and checked. No cluster is asked.
manifests: $(VENV)/dev.stamp
	@$(BIN)/python deploy/kubernetes/manifests.py build/manifests

# The pages of docs/ that follow from the code.
reference: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py

# The site of documentation, without a network: build/site/index.html. The pages are taken as they are.
docs: $(VENV)/dev.stamp
	$(BIN)/python -m sphinx -W --keep-going -q -c docs . build/site
	@echo "build/site/index.html"

# Executes the notebooks and writes them with their outputs; one: make notebooks ARGS=image.
notebooks: $(VENV)/dev.stamp
	$(BIN)/python notebooks/make_notebooks.py $(ARGS)

bench: $(VENV)/dev.stamp
	$(PIP) -e ".[peers]"
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/sounds.py
	$(BIN)/python benchmarks/videos.py
	$(BIN)/python benchmarks/vectors.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/during.py

clean:
	rm -rf $(VENV) .venv-* configs/.vicinal build

$(BIN)/python:
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing vicinal with its encoders (about two minutes the first time)"
	@$(PIP) -e ".[all]"
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing vicinal with its test extras (about two minutes the first time)"
	@$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/demo.stamp $(VENV)/core.stamp

$(VENV)/core.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing vicinal with the molecule encoder, the server and what tests need"
	@$(PIP) -e ".[molecule,server,test]"
	@touch $@

# The real Milvus server that the tests run against: its Python package needs an environment of its own.
.venv-milvus/stamp:
	@echo "installing a Milvus server for the tests in .venv-milvus"
	@$(PYTHON) -m venv .venv-milvus
	@.venv-milvus/bin/python -m pip install --quiet --disable-pip-version-check "setuptools<80" milvus==2.3.5
	@touch $@

# `make demo` and `make test` do everything from a fresh clone: environment, installation, run.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint unit docs bench clean

demo: .venv/demo.stamp
	@$(BIN)/vicinal demo

test: lint unit

lint: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check

unit: .venv/dev.stamp .venv-milvus/stamp
	$(BIN)/python -m pytest $(ARGS)

docs: .venv/dev.stamp
	$(BIN)/python docs/generate.py

bench: .venv/dev.stamp
	$(PIP) -e ".[bench]"
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/sounds.py
	$(BIN)/python benchmarks/videos.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/during.py

clean:
	rm -rf .venv .venv-milvus configs/.vicinal

.venv/bin/python:
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing vicinal with its encoders (about two minutes the first time)"
	@$(PIP) -e ".[all]"
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing vicinal with its test extras (about two minutes the first time)"
	@$(PIP) -e ".[dev]"
	@touch $@ .venv/demo.stamp

# The real Milvus server that the tests run against: its Python package needs an environment of its own.
.venv-milvus/stamp:
	@echo "installing a Milvus server for the tests in .venv-milvus"
	@$(PYTHON) -m venv .venv-milvus
	@.venv-milvus/bin/python -m pip install --quiet --disable-pip-version-check "setuptools<80" milvus==2.3.5
	@touch $@

# Two commands: `make demo` shows what Paribus does, `make test` proves that it works.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test fuzz torture docs results bench calibrate format clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make demo PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Every engine is tested, so that every framework is there.
$(VENV)/frameworks: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,tensorflow,jax,ray]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/paribus run optimizers

test: $(VENV)/frameworks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses auto

# Some ten minutes on two cores; the inputs that broke a promise are kept in .fuzz.
fuzz: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz

$(VENV)/site: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

docs: $(VENV)/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

results: $(VENV)/installed
	$(BIN)/python docs/hooks/results.py

bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks

calibrate: $(VENV)/installed
	$(BIN)/python -m benchmarks.calibrate

torture: $(VENV)/frameworks
	$(BIN)/python -m benchmarks.torture --rounds $(or $(ROUNDS),200)

format: $(VENV)/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) .paribus site .fuzz .pytest_cache .mypy_cache .ruff_cache

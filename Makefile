# Everything a newcomer needs: `make demo` and `make test`. PIP_ARGS goes to every pip call, e.g.
#   make demo PIP_ARGS="--index-url https://my.mirror/simple"
PYTHON ?= python3.11
VENV ?= .venv
PIP_ARGS ?=
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint check install clean

demo: $(VENV)/.installed
	$(BIN)/flashlift demo

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]' torch==2.13.0
	touch $@

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

clean:
	rm -rf $(VENV) flashlift-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# make run    install what is missing and start everything (Ctrl-C stops it)
# make test   install what tests need, run all checks and the tests that every change has to pass
#             (make test LANES="main servers" some of them: tests/lanes.py)
# make everything  every test on every set of services, and the long forms: hours
# make check  only the static checks
# make clean  remove the virtual environment (your data in var/ stay)

PYTHON ?= python3
PORT ?=
# Where the CPU build of torch comes from, beside PyPI. Empty: wherever pip is configured to look.
# For a GPU name another one, such as https://download.pytorch.org/whl/cu130.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
DEFINITION := pyproject.toml constraints.txt

.PHONY: run test everything check clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@$(BIN)/python manage.py up $(if $(PORT),--port $(PORT))

test: $(VENV)/.installed-test check
	@$(BIN)/coverage erase
	@$(BIN)/python -m tests.lanes $(LANES)
	@$(if $(LANES),,$(BIN)/coverage combine --quiet && \
		printf 'Coverage of single processes in per cent, at least $(COVERAGE): ' && \
		$(BIN)/coverage report --fail-under=$(COVERAGE) --format=total)

everything: $(VENV)/.installed-test check
	@$(BIN)/python -m tests.lanes --everything

# What a full run measures, less a little; raise it when it rises.
COVERAGE ?= 90

check: $(VENV)/.installed-test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run > /dev/null || \
		{ echo "Models and migrations differ: run manage.py makemigrations." >&2; exit 1; }
	@echo "Checks passed: style, types, imports, migrations."

clean:
	rm -rf $(VENV)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Likeness needs Python 3.11 to 3.13: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "On Debian the package python3-venv is missing: apt install python3-venv" >&2; exit 1; }
	@touch $@

# torch comes first and alone, so that its index is asked for nothing else.
$(VENV)/.torch: $(VENV)/.python
	@echo "Installing torch (once, a few minutes) ..."
	@$(PIP) install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt torch==2.13.0
	@touch $@

$(VENV)/.installed: $(VENV)/.torch $(DEFINITION)
	@echo "Installing Likeness ..."
	@$(PIP) install -c constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(PIP) install -c constraints.txt --editable '.[test]'
	@touch $@

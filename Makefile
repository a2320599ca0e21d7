# The one door: `make` lists what there is. Every target sets up what it needs in .venv; a stamp file remembers that it did,
# so that the second run starts at once, and a change of pyproject.toml sets up again.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# PyTorch's index of CPU builds (see the Dockerfile), for a machine without a GPU that would rather not fetch the CUDA build.
TORCH_INDEX ?=
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help serve test lint format train evaluate bench wheel clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: HOST=$(HOST) PORT=$(PORT) for serve; ARGS for what follows the command, as in"
	@echo "  make train ARGS='--data pairs.zip --out runs/new'; TORCH_INDEX for another index of PyTorch builds."

serve: $(VENV)/.serve ## set up and serve the explorer and the API on HOST and PORT
	@exec $(BIN)/heedmap serve --host $(HOST) --port $(PORT) $(ARGS)

test: $(VENV)/.test $(VENV)/.browser ## set up, the browser included, and run every test
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/.lint ## ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.lint ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(VENV)/.train ## train a model: make train ARGS='--data pairs.zip --out runs/new'
	$(BIN)/heedmap train $(ARGS)

evaluate: $(VENV)/.train ## score a checkpoint: make evaluate ARGS='--checkpoint runs/new'
	$(BIN)/heedmap evaluate $(ARGS)

bench: $(VENV)/.bench $(VENV)/.browser ## run the benchmarks, each against its peers in one run
	$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/.venv ## build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove the virtual environment and what the tools left
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis

# A fresh Debian has Python without venv: as root we add it, else the system's pip or virtualenv may still do.
define create_venv
set -e; \
if [ -z "$(PYTHON)" ]; then \
	echo "Heedmap needs Python 3.11 or newer: sudo apt-get install python3 python3-venv, or make PYTHON=/path/to/python3" >&2; \
	exit 1; \
fi; \
if $(PYTHON) -m venv $(VENV) 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1; then exit 0; fi; \
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	version=$$($(PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	apt-get update -qq || true; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$$version-venv" || \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv || true; \
	if $(PYTHON) -m venv --clear $(VENV); then exit 0; fi; \
fi; \
if $(PYTHON) -m virtualenv --version >/dev/null 2>&1; then $(PYTHON) -m virtualenv --quiet --clear $(VENV); exit 0; fi; \
if $(PYTHON) -m venv --clear --without-pip $(VENV) 2>/dev/null && \
	$(PYTHON) -m pip --python $(BIN)/python install --quiet pip 2>/dev/null; then exit 0; fi; \
rm -rf $(VENV); \
echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; \
exit 1
endef

$(VENV)/.venv:
	@$(create_venv)
	@touch $@

# An index of PyTorch's own is asked for PyTorch alone; everything else comes from pip's usual place.
$(VENV)/.torch: pyproject.toml $(VENV)/.venv
	@echo "Setting up $(VENV): PyTorch (a large download, once)"
	@torch=$$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml); \
		$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$torch"
	@touch $@

$(VENV)/.serve: $(VENV)/.torch
	@echo "Setting up $(VENV): Heedmap"
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.lint $(VENV)/.train $(VENV)/.bench $(VENV)/.test: $(VENV)/.%: $(VENV)/.torch
	@echo "Setting up $(VENV): Heedmap for $*"
	@$(PIP) install --quiet --editable '.[$*]'
	@touch $(VENV)/.serve $@

# Debian's package is a real browser, Ubuntu's only points to a snap: there, Playwright's own build comes first.
define install_browser
set -e; \
for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	if command -v $$name >/dev/null && $$name --version >/dev/null 2>&1; then exit 0; fi; \
done; \
debian() { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { apt-get update -qq || true; } && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core && \
	chromium --version; }; \
own() { $(BIN)/playwright install --with-deps chromium || $(BIN)/playwright install chromium; }; \
if grep -qs '^ID=debian' /etc/os-release; then debian || own; else own || debian; fi || \
	{ echo "The tests drive a Chromium, and none could be installed: install chromium or google-chrome yourself" >&2; exit 1; }
endef

$(VENV)/.browser: $(VENV)/.bench
	@$(install_browser)
	@touch $@

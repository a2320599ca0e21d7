# The one door: `make` lists what there is. Every target sets up what it needs in .venv, in the versions of requirements.lock;
# a stamp file remembers that it did, so that the second run starts at once, and a change of the lock sets up again.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# PyTorch's index of CPU builds (see the Dockerfile), for a machine without a GPU that would rather not fetch the CUDA build.
TORCH_INDEX ?=
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

VENV ?= .venv
BIN := $(VENV)/bin
PAGE := tests/page
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Several files at once, each in a process of one thread: PyTorch's threads, on cores that others use, wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --cov

.DEFAULT_GOAL := help
.PHONY: help serve test test-device test-newest lint lock format data train evaluate bench wheel clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: HOST=$(HOST) PORT=$(PORT) for serve; ARGS for what follows the command, as in"
	@echo "  make train ARGS='--data pairs.zip --out runs/new'; TORCH_INDEX for another index of PyTorch builds."

serve: $(VENV)/.serve ## set up and serve the explorer and the API on HOST and PORT
	@exec $(BIN)/heedmap serve --host $(HOST) --port $(PORT) $(ARGS)

test: $(VENV)/.test $(VENV)/.browser ## set up, the browser included, and run every test
	$(PYTEST) $(ARGS)

test-device: $(VENV)/.test ## the tests that need a CUDA device, alone
	$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "no CUDA device is here")'
	$(BIN)/pytest -m cuda $(ARGS)

# The lock holds the users of today; this asks about tomorrow's.
test-newest: ## the same in .venv-newest, with the newest of everything that pyproject.toml allows
	@$(MAKE) --no-print-directory VENV=.venv-newest .venv-newest/.newest .venv-newest/.browser
	@$(MAKE) --no-print-directory VENV=.venv-newest pytest ARGS='$(ARGS)'

.PHONY: pytest
pytest:
	$(PYTEST) $(ARGS)

lint: $(VENV)/.lint $(PAGE)/node_modules/.installed ## ruff, mypy (strict), and the checks of the page's code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent --prefix $(PAGE) check

lock: $(VENV)/.lock ## renew requirements.lock; ARGS='--upgrade-package NAME' renews one
	$(BIN)/uv pip compile --quiet $(if $(ARGS),$(ARGS),--upgrade) pyproject.toml --output-file requirements.lock

format: $(VENV)/.lint ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What training reads and no repository may hold. npm checks what it fetches, training each archive's SHA-256.
DRAWINGS := noto-1.2.9 fluent-emoji-flat-1.2.6 openmoji-1.2.29
PAIRS := cmn-eng.zip

# Emoji drawings, out of npm packages; spoken words; pairs of sentences.
data: $(DRAWINGS:%=data/npm/iconify-json-%.tgz) data/speech $(PAIRS:%=data/%) ## fetch what models are trained on into data/

data/npm/iconify-json-%.tgz: # the version begins at the last hyphen
	@mkdir -p $(@D)
	@cd $(@D) && npm pack --silent "@iconify-json/$$(echo '$*' | sed 's/-\([^-]*\)$$/@\1/')"

# Clips of two repositories, each set's content compared with a SHA-256; and voices, by espeak-ng and flite if they are there.
.PHONY: data/speech $(PAIRS:%=data/%)
data/speech: $(VENV)/.train
	$(BIN)/python -m heedmap.model.training.speech.fetch $@

$(PAIRS:%=data/%): # what is there is checked
	$(PYTHON) .build/data.py data $(@F)

train: $(VENV)/.train ## train a model: make train ARGS='--data pairs.zip --out runs/new'
	$(BIN)/heedmap train $(ARGS)

evaluate: $(VENV)/.train ## score a checkpoint: make evaluate ARGS='--checkpoint runs/new'
	$(BIN)/heedmap evaluate $(ARGS)

bench: $(VENV)/.bench $(VENV)/.browser ## run the benchmarks, each against its peers in one run
	$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/.build ## build the wheel into dist/
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove the virtual environment and what the tools left
	rm -rf .venv .venv-newest $(PAGE)/node_modules build dist .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis

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

# The lock has no hashes of PyTorch's builds (.build/locked.py says why), and an index of its own is asked for it alone.
# The other packages come first, so that PyTorch finds in place what it needs itself.
define install
set -e; $(BIN)/python .build/locked.py build $(1) >$(VENV)/$(1).txt; \
$(PIP) install --quiet --require-hashes --no-deps --requirement $(VENV)/$(1).txt
endef

define install_torch
set -e; $(BIN)/python .build/locked.py --versions >$(VENV)/versions.txt; \
$(PIP) install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --constraint $(VENV)/versions.txt torch; \
$(if $(filter test bench,$(1)),[ "$$(uname)" != Linux ] || \
	$(PIP) install --quiet --no-deps --constraint $(VENV)/versions.txt triton)
endef

# mypy does not see that heedmap.py makes folders parts of a package; links show it the layout of the wheel.
define link_types
set -e; mkdir -p $(VENV)/types/heedmap; \
ln -sfn ../../../heedmap.py $(VENV)/types/heedmap/__init__.py; \
ln -sfn ../../../app $(VENV)/types/heedmap/app; \
ln -sfn ../../../model $(VENV)/types/heedmap/model
endef

$(VENV)/.lock $(VENV)/.build: $(VENV)/.%: requirements.lock $(VENV)/.venv
	@$(call install,$*)
	@touch $@

$(VENV)/.serve $(VENV)/.lint $(VENV)/.train $(VENV)/.bench $(VENV)/.test: $(VENV)/.%: requirements.lock pyproject.toml $(VENV)/.venv
	@echo "Setting up $(VENV): Heedmap and what its extra $* needs (PyTorch is a large download, once)"
	@$(call install,$*)
	@$(call install_torch,$*)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(if $(filter lint,$*),$(link_types))
	@touch $(VENV)/.serve $@

.venv-newest/.newest: pyproject.toml .venv-newest/.venv
	@echo "Setting up .venv-newest: the newest versions that are allowed"
	@sed -n 's/^ *"\(torch>=[^"]*\)".*/\1/p' pyproject.toml >.venv-newest/torch.txt
	@$(PIP) install --quiet --upgrade $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --requirement .venv-newest/torch.txt
	@$(PIP) install --quiet --upgrade --upgrade-strategy eager --editable '.[test,build]' --requirement .venv-newest/torch.txt
	@touch .venv-newest/.bench $@

$(PAGE)/node_modules/.installed: $(PAGE)/package-lock.json
	@npm ci --silent --no-audit --no-fund --prefix $(PAGE)
	@touch $@

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

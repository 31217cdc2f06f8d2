# Two commands matter: `make demo` and `make test`. Both set up the virtual environment if needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup lock demo test test-fast check

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt constraints-cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "STAR needs Python 3.11 or newer; found $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement constraints-cpu.txt 2>/dev/null \
		|| echo "pip finds no CPU build of torch here (constraints-cpu.txt): taking the public one"
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip install --quiet torch  # nothing, unless torch is a CUDA build; see the head of constraints.txt
	$(BIN)/python -m pip check
	@touch $(STAMP)

# Pin anew what pyproject.toml asks for, with hashes.
lock:
	.ci/lock

demo: $(STAMP)
	$(BIN)/star serve --dataset demo

# Byte code is kept, also where the environment forbids it, since the tests start many processes.
# Two processes: on two cores three took longer. The tests of one file share a page or a student and stay together.
# The longest files begin first (tests/conftest.py). What a test needs and does not find, it says and skips: Chromium, and a
# PostgreSQL server in STAR_TEST_POSTGRES_URL, which .ci/run starts.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(STAMP)
	$(PYTEST)

# For one's own loop: no browser, no server, no training stage, no shipped checkpoint, no PostgreSQL.
test-fast: $(STAMP)
	$(PYTEST) -m "not slow and not browser and not checkpoint and not postgres"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/oxlint --deny-warnings assets/js
	$(MAKE) test

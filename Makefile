# make demo   train on a real scan and reconstruct it; opens nothing, writes outputs/demo
# make bench  all benchmarks in a quarter of an hour; writes benchmarks/results.md
# make test   lint, types and the whole test suite
# make venv   only the environment
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The CPU build of torch is a tenth of the size of the default one. Where its index cannot be
# reached, pip takes the same version from wherever else it is configured to look.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
DEMO := outputs/demo

.PHONY: venv demo test lint types slow fuzz bench snapshots docs clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null \
		|| $(BIN)/pip install --quiet --disable-pip-version-check --retries 0 --timeout 5 --no-deps --index-url $(TORCH_INDEX) $(TORCH) 2>/dev/null \
		|| $(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/ptycho_train --train_data_file tests/data/siemens_star_64.npz --output_dir $(DEMO) --overwrite
	$(BIN)/ptycho_inference --model_path $(DEMO) --test_data tests/data/siemens_star_64.npz --output_dir $(DEMO) --overwrite --refine-passes 4

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# One process for each core with one thread each: threads that wait for each other spin.
test: lint types
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

slow: $(STAMP)
	$(BIN)/pytest -m slow

# Five minutes a reader.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz

bench: $(STAMP)
	$(BIN)/python benchmarks/all.py

snapshots: $(STAMP)
	$(BIN)/pytest --snapshot-update

docs: $(STAMP)
	$(BIN)/python docs/override_matrix.py
	$(BIN)/python docs/run_notebooks.py

clean:
	rm -rf $(VENV) outputs .mypy_cache .ruff_cache .pytest_cache

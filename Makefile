# make demo   train on a real scan and reconstruct it; opens nothing, writes outputs/demo
# make bench  all benchmarks in a quarter of an hour; writes benchmarks/results.md
# make test   lint, types and the whole test suite
# make docs   generated pages, notebooks and the site; writes site/index.html
# make venv   only the environment
# make audit  known vulnerabilities of all that it holds
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The CPU build of torch is a tenth of the size of the default one. Where its index cannot be
# reached, pip takes the same version from wherever else it is configured to look.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Its wheel for Linux on x86-64; the hashes of PyPI's are those that `uv` finds.
TORCH_CPU_SHA256 := 6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
DEMO := outputs/demo
DOCS := .venv-docs

.PHONY: venv audit hashes demo test lint types slow fuzz bench snapshots docs clean

venv: $(STAMP)

# All has the hashes of constraints.txt. The last line adds ptycho, and the libraries of CUDA where torch is PyPI's, which
# names their versions.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	sed -n '/^torch==/,/[^\\]$$/p' constraints.txt > $(VENV)/torch.txt
	$(BIN)/python -c "import torch" 2>/dev/null \
		|| $(INSTALL) --require-hashes --retries 0 --timeout 5 --no-deps --index-url $(TORCH_INDEX) -r $(VENV)/torch.txt 2>/dev/null \
		|| $(INSTALL) --require-hashes --no-deps -r $(VENV)/torch.txt
	$(INSTALL) --require-hashes --no-deps -r constraints.txt
	$(INSTALL) --no-build-isolation -e '.[dev]'
	touch $@

# After a version was changed in constraints.txt: the hashes of all its files.
hashes: $(STAMP)
	$(INSTALL) uv
	$(BIN)/uv pip compile --quiet --no-deps --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		constraints.txt --output-file constraints.txt > /dev/null
	sed -i '/^torch==/a\    --hash=sha256:$(TORCH_CPU_SHA256) \\' constraints.txt

audit: $(STAMP)
	$(INSTALL) pip-audit
	$(BIN)/pip-audit --strict --requirement constraints.txt --require-hashes --disable-pip

demo: $(STAMP)
	$(BIN)/ptycho_train --train_data_file tests/data/siemens_star_64.npz --output_dir $(DEMO) --overwrite
	$(BIN)/ptycho_inference --model_path $(DEMO) --test_data tests/data/siemens_star_64.npz --output_dir $(DEMO) --overwrite --refine-passes 4

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

# One process for each core with one thread each: threads that wait for each other spin. Processes of tests do not compile
# our modules again.
test: lint types
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

slow: $(STAMP)
	$(BIN)/pytest -m slow

# Five minutes a reader, a quarter of an hour where it reads HDF5.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz

bench: $(STAMP)
	$(BIN)/python benchmarks/all.py

snapshots: $(STAMP)
	$(BIN)/pytest --snapshot-update

$(DOCS)/.installed: docs/requirements.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

# What is generated, then the site: a dead link or an unknown name ends it.
docs: $(STAMP) $(DOCS)/.installed
	$(BIN)/python docs/override_matrix.py
	$(BIN)/python docs/run_notebooks.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet
	@echo "open site/index.html"

clean:
	rm -rf $(VENV) $(DOCS) site outputs .mypy_cache .ruff_cache .pytest_cache

PYTHON ?= python3
ENV    := .venv

run: $(ENV)/.ready
	$(ENV)/bin/bench run $(ARGS)
test: $(ENV)/.ready-dev
	OMP_NUM_THREADS=1 $(ENV)/bin/pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

# What running needs; the tests and checks need more.
$(ENV)/.ready: pyproject.toml constraints.txt | $(ENV)/bin/pip
	$(ENV)/bin/pip install -q -c constraints.txt uv
	$(ENV)/bin/uv pip install --python $(ENV)/bin/python -c constraints.txt -e .
	touch $@
$(ENV)/.ready-dev: $(ENV)/.ready
	$(ENV)/bin/uv pip install --python $(ENV)/bin/python -c constraints.txt -e '.[dev]'
	mkdir -p $(ENV)/types
	ln -sfn ../.. $(ENV)/types/cambench
	touch $@
$(ENV)/bin/pip:
	$(PYTHON) -m venv $(ENV)

.PHONY: run test

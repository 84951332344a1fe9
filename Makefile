# licd: every command that a developer or a first-time user needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY := .venv/bin/python
PROTOS := $(wildcard protos/licd/v1/*.proto protos/licd/etcd/v1/*.proto)
PORTAL_HOST ?=
MINUTES ?= 60
SEED ?=
# The folders whose processes are neither killed nor timed.
COVERED ?= $(addprefix tests/,cli contract http node_client unit vendor)
VERSION ?= $(error VERSION: name the version that is released)

.DEFAULT_GOAL := help
.PHONY: help setup run demo test coverage soak fuzz siege bench check fix proto readme reasons states rules clocks vectors release lock

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 10

setup: .venv/.done  ## the environment in .venv, from the hash-pinned lock

.venv/.done: requirements/dev.lock pyproject.toml daemon/pyproject.toml vendor/pyproject.toml
	@deploy/system-packages python3-venv
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e daemon -e vendor
	@touch $@

run: .venv/.done  ## portal, daemon and three report servers on this machine; PORTAL_HOST=<address> for a phone
	@$(PY) examples/run_cluster.py $(if $(PORTAL_HOST),--portal-host $(PORTAL_HOST))

demo: .venv/.done  ## the whole story, played automatically
	@.venv/bin/licd demo

test: .venv/.done  ## every test; installs what they need
	@deploy/system-packages chromium chrony etcd-server npm postgresql tmux
	@deploy/test-tools
	$(PY) -m pytest -n 3 --dist worksteal

coverage: .venv/.done  ## which lines and branches the tests run, in the processes that they start too; a floor
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -n 3 --dist worksteal $(COVERED)
	$(PY) -m coverage combine -q
	$(PY) -m coverage report

soak: .venv/.done  ## random faults for MINUTES=60; SEED=n replays them; ends with one line
	@PYTHONPATH=tests $(PY) -m faults.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

fuzz: .venv/.done  ## inputs to every door for MINUTES=60; what fails is kept in a file and can be put in again
	@PYTHONPATH=tests:. $(PY) -m fuzz.run --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

siege: .venv/.done  ## every attack on every port at once for MINUTES=60: nodes, probes, calls, memory and log meanwhile
	@PYTHONPATH=tests $(PY) -m hostile.run --minutes $(MINUTES)

bench: .venv/.done  ## licd alongside bare grpcio and etcd: a table, bench/results.json, pictures (about 40 minutes)
	@deploy/system-packages etcd-server postgresql
	PYTHONPATH=.:tests $(PY) -m bench.run $(BENCH)

check: .venv/.done  ## format, lint, types, import contracts, words, protos (also against each release's)
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) docs/check_words.py
	cd protos && ../.venv/bin/buf lint
	cd protos && for wheel in ../tests/vectors/releases/licd-[0-9]*.whl; do ../.venv/bin/buf breaking --against "$$wheel#format=zip"; done

fix: .venv/.done  ## what `check` finds and a machine can correct
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

proto: .venv/.done  ## the committed stubs and docs/calls.md
	$(PY) -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos --grpc_python_out=protos $(PROTOS)
	$(PY) docs/generate_calls.py

readme: .venv/.done  ## the help texts in README.md
	$(PY) docs/generate_help.py

reasons: .venv/.done  ## the table of failure reasons in docs/errors.md
	$(PY) docs/generate_reasons.py

states: .venv/.done  ## docs/states.md, from the core's own decisions
	$(PY) docs/generate_states.py

rules: .venv/.done  ## docs/rules.md: where each rule is decided and which tests show it
	$(PY) docs/generate_rules.py

clocks: .venv/.done  ## docs/clocks.png, measured with real nodes (a minute)
	$(PY) docs/plot_clocks.py

vectors: .venv/.done  ## tests/vectors
	$(PY) tests/vectors/generate.py

release: .venv/.done  ## wheels and vectors of VERSION=1.2.3 into tests/vectors/releases, at its commit
	@PYTHONPATH=tests $(PY) tests/vectors/release.py $(VERSION)

lock:  ## requirements/dev.lock
	python3 -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --no-emit-package licd --no-emit-package licd-kit \
	  --no-emit-package licd-vendor \
	  --group dev requirements/dev.in -o requirements/dev.lock
	rm -r .venv-lock

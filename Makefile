SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY := .venv/bin/python

.venv/.done: requirements/dev.lock pyproject.toml vendor/pyproject.toml
	python3 -m venv .venv
	$(PY) -m pip install --quiet --require-hashes -r requirements/dev.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e . -e vendor
	touch $@

.PHONY: setup proto lock
setup: .venv/.done

proto: .venv/.done  ## regenerate the committed stubs
	$(PY) -m grpc_tools.protoc -I protos --python_out=protos --pyi_out=protos --grpc_python_out=protos protos/licd/v1/*.proto

lock:  ## resolve the pinned lock anew
	python3 -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --no-emit-package licd --no-emit-package licd-vendor \
	  --group dev requirements/dev.in -o requirements/dev.lock

# One-word commands for developers and for a first look. `make help` lists them.
# Everything is set up on first use: virtual environment, programs, local cluster. Caches live in the user's cache folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-planner simulate cluster cluster-down example-image unit e2e generate pod-types lock

PY := .venv/bin/python
export PYTHONPATH := hack
# Wherever it is set, each process of the tests would compile everything anew, for ten seconds.
unexport PYTHONDONTWRITEBYTECODE
# Three clusters for end-to-end tests, which mostly wait; other tests go to whichever process is through with its own.
# A fourth process only slows the start of the clusters down where there are two cores.
SIDE_BY_SIDE := -n 3

help:  ## List these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

demo: .venv/.ready  ## Bring up a cluster with a real node, run a first job on it and watch it move
	$(PY) -m demo

test: .venv/.ready  ## Run all tests: unit, property, component, and end to end on a real cluster
	@$(PY) -m localcluster build --karpenter >/dev/null
	$(PY) -m pytest $(SIDE_BY_SIDE)

unit: .venv/.ready  ## Run the fast tests only
	$(PY) -m pytest -m "not e2e"

e2e: .venv/.ready  ## Run the end-to-end tests only
	@$(PY) -m localcluster build --karpenter >/dev/null
	$(PY) -m pytest $(SIDE_BY_SIDE) -m e2e

check: .venv/.ready  ## Check lint, formatting, types, layers and that generated files are up to date
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	PYTHONPATH= .venv/bin/lint-imports
	$(PY) -m pytest -q -m "not e2e" tests/unit/api/test_generated.py

bench: .venv/.ready  ## Measure against the bare Job controller and write docs/benchmarks.md
	$(PY) -m bench

bench-planner: .venv/.ready  ## Measure the planner and its simulator alone and write docs/planner-benchmarks.md
	$(PY) -m bench.planner

simulate: .venv/.ready  ## Replay a workload through the planner and draw it: WORKLOAD=examples/simulator/trace.yaml
	@$(PY) -m batchyard simulate $(or $(WORKLOAD),examples/simulator/mix.yaml) --chart simulation.svg

cluster: .venv/.ready  ## Start the local cluster and say how to use it; KARPENTER=1 has nodes made as pods need them
	$(PY) -m localcluster up $(if $(KARPENTER),--karpenter)

example-image: .venv/.ready  ## Build the image of an example and give it to the local cluster: EXAMPLE=07-mpi
	@$(PY) -m localcluster example-image $(EXAMPLE)

cluster-down: .venv/.ready  ## Stop the local cluster and remove all of it
	$(PY) -m localcluster down

generate: .venv/.ready  ## Write the generated files anew: CRDs, their copies in the chart, the API reference, the table of reasons
	$(PY) -m generate

pod-types: cluster  ## Read from the local cluster anew what a pod template may have; `make generate` makes CRDs of it
	$(PY) -m pod_types operator/batchyard/api/models/podtypes.json

lock: .venv/.ready  ## Lock the dependencies anew (needs the package index)
	hack/venv lock --upgrade

.venv/.ready: requirements.lock pyproject.toml hack/venv
	@hack/venv

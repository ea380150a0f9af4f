"""Batchyard: AWS-Batch-style jobs on any Kubernetes cluster.

This package is the operator. Read it from the inside out: `api` (the five kinds), `core` (every decision, pure),
`objects` (what is read and created, pure), `kube` (the API server), `runtime` (cache, loop, controllers), `handlers`
(Kopf).
"""

__version__ = "0.1.0"

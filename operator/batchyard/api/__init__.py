"""The five kinds of batchyard.dev/v1alpha1: models, the CRDs generated from them, and readable refusals.

Everything above (core, manifests, kube, runtime, handlers) speaks in these models; this package imports
none of it. Start at `jobdefinition`, `batchjob`, `jobqueue`, `computeenvironment`.
"""

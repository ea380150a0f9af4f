"""The five kinds of batchyard.dev/v1alpha1: models, what is generated from them, and readable refusals.

Everything above speaks in these; this package imports none of it. Start at `models.batchjob` and `names`.
"""

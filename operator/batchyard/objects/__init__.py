"""Objects of the API server, read as records and built from records: pure functions, one file per kind.

`kinds` has Batchyard's own, `kubernetes` those of Kubernetes; what both need stands beside them.
"""

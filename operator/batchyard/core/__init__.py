"""Every decision Batchyard makes, as pure functions over plain records: no I/O, no clock, no randomness of its own.

The runtime, the tests and any replay of a workload call the same functions with the same records.
"""

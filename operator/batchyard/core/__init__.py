"""Every decision Batchyard makes, as pure functions over plain records: no I/O, no clock, no randomness of its own.

The runtime, the tests and any replay of a workload call the same functions with the same records. `model` has the
records; `definition`, `admission` and `lifecycle` say what becomes of a job; `scheduling` says who gets capacity;
`insight` tells people; `planner` joins them in the two steps of a pass.
"""

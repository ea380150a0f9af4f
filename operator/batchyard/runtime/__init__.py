"""The shell around the core: everything that waits, writes or fails.

`state` is what the operator knows, `loop` when it decides, `controllers` carry out, `process` is what surrounds them.
"""

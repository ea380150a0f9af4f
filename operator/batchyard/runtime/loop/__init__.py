"""When a pass runs, what it may take, and the queue of what it has decided."""

"""May a job be queued? What it refers to, what it waits for, and which of its indexes may run."""

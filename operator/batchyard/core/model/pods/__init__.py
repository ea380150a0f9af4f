"""What the pods of a job ask of nodes, and which of them must start together."""

"""Stand-ins for what surrounds the operator: an API server in memory and the Job controller."""

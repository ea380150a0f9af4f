"""The pods of runs that have not ended: what they take, on which node, and what becomes of Jobs that they outlive."""

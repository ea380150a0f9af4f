"""What happens to nodes that are made: which are taken back, what is asked to leave them, and what is counted of it."""

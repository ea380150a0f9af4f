"""Batchyard's own kinds: each read as a record, and its status rendered, side by side."""

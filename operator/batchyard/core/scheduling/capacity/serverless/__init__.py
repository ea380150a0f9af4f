"""Environments without nodes of their own: what pods count for there, and which cannot run there."""

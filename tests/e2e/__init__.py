"""Tests on a real cluster: the operator as a process of its own, containers that really run."""

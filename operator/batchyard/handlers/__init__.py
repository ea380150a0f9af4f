"""Kopf's side: handlers of a few lines that put what they are told into the cache. They decide and write nothing."""

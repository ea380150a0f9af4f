"""How objects become records of the cache, kind by kind, and whom their changes concern."""

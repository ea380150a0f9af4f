"""How objects of Batchyard's kinds become records of the cache: what all kinds have in common."""

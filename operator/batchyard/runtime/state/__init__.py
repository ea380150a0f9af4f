"""All that the operator knows, kept current by informers and handlers. Waits for nothing, writes nothing."""

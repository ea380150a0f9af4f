"""Good and bad objects of the four kinds, shared by unit and end-to-end tests."""

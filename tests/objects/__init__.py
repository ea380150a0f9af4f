"""Good and bad objects of the five kinds, shared by unit and end-to-end tests."""

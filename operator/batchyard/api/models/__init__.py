"""The pydantic models of the five kinds, one file per kind, and the parts that they share."""

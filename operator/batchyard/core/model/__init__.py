"""The records that decisions are made on: plain data, one file per subject. Imports nothing of the rest of the core."""

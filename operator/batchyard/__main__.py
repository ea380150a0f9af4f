"""`python -m batchyard` is the same as `batchyard`."""

from batchyard.cli import main

main()

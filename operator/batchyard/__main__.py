"""`python -m batchyard` runs the operator."""

from batchyard.app import main

main()

"""What follows the transitions of jobs: counts, changes that are to be written, and what waits for nodes."""

"""What only arrays need of scheduling: the slots they take, what a pass grants them, and when they give way."""

"""What people are told: positions, estimates, the front of a queue, Events, and whose names they may see."""

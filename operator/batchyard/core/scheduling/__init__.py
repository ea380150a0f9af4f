"""Who gets capacity: order, room, limits, and what makes way. Knows nothing of how jobs live."""

"""How a run has ended, and what follows: success, another attempt, a free requeue, or failure."""

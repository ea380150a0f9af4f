"""How a job moves from state to state: by its runs and pods, its retry strategy, timers, and what is asked of it."""

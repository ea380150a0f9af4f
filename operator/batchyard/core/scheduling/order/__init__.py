"""How strictly the order of a queue is kept: who may start before a job at its head that finds no room."""

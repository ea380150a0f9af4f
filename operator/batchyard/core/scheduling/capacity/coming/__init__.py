"""Room on nodes that are not there yet: on their way, or still to be asked for."""

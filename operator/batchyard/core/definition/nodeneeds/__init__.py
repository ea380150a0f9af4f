"""What a pod asks of the node that it is on: labels, ports, and what only a machine of its own has."""

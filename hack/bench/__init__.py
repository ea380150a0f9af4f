"""The benchmark behind `make bench`: Batchyard against the bare Job controller, side by side on one cluster."""

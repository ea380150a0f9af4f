"""The nodes of a local cluster: simulated ones, and as root on Linux a real one."""

"""The programs a cluster is made of: Kubernetes' own, built here, and Debian packages of this machine."""

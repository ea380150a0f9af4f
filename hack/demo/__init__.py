"""`make demo`: a first job on a real cluster, shown from YAML to result. The cluster stays for what comes next."""

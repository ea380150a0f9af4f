"""What is in the cluster whether Batchyard is there or not: nodes, and the pods of others on them."""

"""The same mixed workload on the same nodes, as bare Jobs without a queue and as BatchJobs: which packs better."""

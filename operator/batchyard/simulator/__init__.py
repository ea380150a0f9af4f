"""Replays a workload through the operator's own planner in virtual time: `batchyard simulate WORKLOAD.yaml`.

It answers what queues, shares, ceilings or other nodes would have made of a workload, without a cluster. All decisions
are those of `core.planner`; this package brings the jobs, the clock and the count.
"""

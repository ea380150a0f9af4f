"""What a pass is given of the cache to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchyard.core.scheduling.snapshot import Snapshot

if TYPE_CHECKING:
    from batchyard.runtime.state.cache import Cache


def snapshot_of(cache: Cache) -> Snapshot:
    """Return a view of everything, without copying: valid until the next method call that changes the cache."""
    catalogue, accounts = cache.catalogue, cache.accounts
    return Snapshot(
        jobs=cache.jobs,
        statuses=cache.statuses,
        resolved=cache.resolved,
        runs=cache.runs.by_job,
        demands=cache.demands,
        arrays={key: run for key, run in cache.runs.arrays.items() if cache.exists(key, run.owner_uid)},
        granted=cache.granted,
        queues=catalogue.queues,
        environments=catalogue.environments,
        nodes=catalogue.nodes,
        other_pods=catalogue.other_pods.by_node,
        ports_taken=catalogue.other_pods.ports_by_node,
        pools=catalogue.pools(),
        used=cache.used,
        charges=accounts.charges.charges,
        homeless=accounts.charges.homeless,
        space=catalogue.space(),
        limit_usage=accounts.limit_usage.amounts,
        consumables=catalogue.consumables,
        used_up=accounts.consumptions.used_up(catalogue),
        definitions=catalogue.definitions,
        revisions=catalogue.revisions,
        namespaces=catalogue.namespaces,
        raised=accounts.array_slots.raised,
        templates=catalogue.templates,
        pod_rules=catalogue.pod_rules.rules,
        backlog=cache.backlog,
        dependents=cache.dependents,
        unpersisted_ends=cache.persistence.unpersisted_ends,
        faults=cache.faults,
        being_preempted=cache.preemptions.slots,
        spared=cache.preemptions.spared,
        protection=catalogue.protection,
        usage=accounts.shares.usages(catalogue),
        failures=catalogue.provisioned.failures,
        unmet=cache.node_waits.unmet,
        left_alone=cache.node_waits.left_alone,
    )

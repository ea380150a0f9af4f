from dataclasses import replace

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.consumption import Consumptions
from batchyard.runtime.state.catalogue import Catalogue
from unit.runtime.state.accounts.seen import occupancy, seen
from unit.samples import NOW, make_job, make_resolved, make_run, succeeded

JOB = make_job()
PLACEMENT = Placement(JOB.key, "pool", {"cpu": 1000})
TOKENS = {"token": 2, "licence": 1}


@pytest.fixture
def catalogue() -> Catalogue:
    catalogue = Catalogue(lambda _: None)
    catalogue.consumables["token"] = Consumable("token", "a", 1, NOW, 100, replenishable=False)
    catalogue.consumables["licence"] = Consumable("licence", "b", 1, NOW, 100, replenishable=True)
    return catalogue


def consumptions(*existing: Run) -> Consumptions:
    return Consumptions(lambda: [(run, occupancy(run)) for run in existing])


def test_what_exists_counts_from_the_beginning(catalogue: Catalogue) -> None:
    account = consumptions(succeeded(1, consumables=TOKENS), make_run(2, consumables=TOKENS), make_run(3))
    assert account.used_up(catalogue) == {"token": 4}
    account.reset()
    assert account.used_up(catalogue) == {"token": 4}
    catalogue.consumables["token"] = replace(catalogue.consumables["token"], uid="another", created=NOW + 1)
    assert account.used_up(catalogue) == {"token": 0}, "runs from before the resource do not count"


def test_a_grant_is_counted_until_its_run_is(catalogue: Catalogue) -> None:
    account = consumptions()
    account.used_up(catalogue)
    resolved = replace(make_resolved(), consumables=TOKENS)
    account.grant(JOB, resolved, PLACEMENT, 3)
    assert account.used_up(catalogue) == {"token": 6}
    account.grant(JOB, None, PLACEMENT, 3)
    assert account.used_up(catalogue) == {"token": 0}
    account.grant(JOB, resolved, PLACEMENT, 1)
    assert account.used_up(catalogue) == {"token": 2}
    account.withdraw(JOB.key)
    run = make_run(consumables=TOKENS)
    for _ in range(2):
        account.observe_run(*seen(run))
    account.forget_run(run, occupancy(run))
    assert account.used_up(catalogue) == {"token": 2}


def test_an_array_counts_with_all_indexes_and_a_multi_node_job_by_its_main_node(catalogue: Catalogue) -> None:
    account = consumptions()
    account.used_up(catalogue)
    account.observe_run(*seen(make_run(1, indexed=IndexedJob(5, 1), consumables=TOKENS)))
    main = make_run(2, node=0, consumables=TOKENS)
    account.observe_run(*seen(main))
    account.observe_run(*seen(main._replace(uid="other", node=1, main_uid=main.uid)))
    assert account.used_up(catalogue) == {"token": 12}

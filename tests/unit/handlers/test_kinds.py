"""Every kind of the registry is followed, and none beside them."""

from batchyard.api.kinds import KINDS
from batchyard.runtime.state.cache import Cache
from fakes.watches import handlers


def test_each_kind_has_a_handler() -> None:
    assert set(handlers()) == {kind.plural for kind in KINDS.values()}


def test_the_cache_takes_each_kind_in() -> None:
    assert set(Cache().intakes) == set(KINDS)

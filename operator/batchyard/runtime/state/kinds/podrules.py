"""The LimitRanges and RuntimeClasses of the cluster as they are now, and who is to be told when one changes."""

from collections.abc import Callable

from batchyard.core.model.job import Key
from batchyard.core.model.podadmission.limitrange import LimitRange
from batchyard.core.model.podadmission.rules import ClusterRules, PodRules
from batchyard.objects.kubernetes.limitrange import read_limit_range
from batchyard.objects.kubernetes.runtimeclass import read_runtime_class
from batchyard.objects.meta import Object, key_of
from batchyard.runtime.state.referrers import NAMESPACE, RUNTIME_CLASS, Reference


class KnownRules:
    """Keeps the rules that pods come under. `changed` is called with what the jobs concerned refer to."""

    def __init__(self, changed: Callable[[Reference], None]) -> None:
        self.rules = ClusterRules()
        self._limit_ranges: dict[str, dict[str, LimitRange]] = {}
        """By namespace and name."""
        self._changed = changed

    def put_limit_range(self, obj: Object) -> None:
        """Take a LimitRange in; it concerns the jobs of its namespace."""
        (namespace, name), read = key_of(obj), read_limit_range(obj)
        known = self._limit_ranges.setdefault(namespace, {})
        if known.get(name) != read:
            known[name] = read
            self._limit_ranges_changed(namespace)

    def remove_limit_range(self, key: Key) -> None:
        """Forget a LimitRange."""
        namespace, name = key
        if self._limit_ranges.get(namespace, {}).pop(name, None) is not None:
            self._limit_ranges_changed(namespace)

    def _limit_ranges_changed(self, namespace: str) -> None:
        known = self._limit_ranges[namespace]
        if known:
            self.rules.namespaces[namespace] = PodRules(tuple(known[name] for name in sorted(known)))
        else:
            del self._limit_ranges[namespace], self.rules.namespaces[namespace]
        self._changed((NAMESPACE, "", namespace))

    def put_runtime_class(self, obj: Object) -> None:
        """Take a RuntimeClass in; it concerns the jobs whose pods name it."""
        read = read_runtime_class(obj)
        if self.rules.runtime_classes.get(read.name) != read:
            self.rules.runtime_classes[read.name] = read
            self._changed((RUNTIME_CLASS, "", read.name))

    def remove_runtime_class(self, name: str) -> None:
        """Forget a RuntimeClass."""
        if self.rules.runtime_classes.pop(name, None) is not None:
            self._changed((RUNTIME_CLASS, "", name))

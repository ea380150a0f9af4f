"""Everything that jobs refer to: queues, environments, nodes, namespaces, definitions and their revisions.

The other half of the cache, apart from the jobs themselves. The informers and the Kopf handlers keep it current; the
loop takes its snapshots from it. A change that can move a waiting job is told to `on_change`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from batchyard.api import names
from batchyard.api.validation import is_status
from batchyard.core.admission.protection import NOTHING_PROTECTED
from batchyard.core.definition.template import Templates
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Definition, Revision
from batchyard.core.model.environment import Environment, Node
from batchyard.core.model.job import Key
from batchyard.core.model.queue import Queue
from batchyard.core.scheduling.ledger import Pool, pool
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kinds.consumableresource import read_consumable
from batchyard.objects.kinds.jobdefinition import read_definition
from batchyard.objects.kinds.jobqueue import read_queue
from batchyard.objects.kubernetes.node import read_node
from batchyard.objects.kubernetes.revision import read_revision
from batchyard.objects.meta import Object, key_of
from batchyard.runtime.state.referrers import NAMESPACE, REVISIONS, Reference
from batchyard.runtime.state.unreadable import Reading, blank

Named = Queue | Environment | Consumable
N = TypeVar("N", Queue, Environment, Consumable)
K = TypeVar("K")


class _Named(Protocol):
    @property
    def uid(self) -> str: ...


class Catalogue:
    """Records by kind, and the capacity that nodes and environments come to."""

    def __init__(self, on_change: Callable[[Reference | None], None]) -> None:
        self.queues: dict[str, Queue] = {}
        self.environments: dict[str, Environment] = {}
        self.consumables: dict[str, Consumable] = {}
        self._by_kind: dict[str, dict[str, Any]] = {
            names.JOB_QUEUE: self.queues,
            names.COMPUTE_ENVIRONMENT: self.environments,
            names.CONSUMABLE_RESOURCE: self.consumables,
        }
        self.nodes: dict[str, Node] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.protection = NOTHING_PROTECTED
        self.definitions: dict[Key, Definition] = {}
        self.revisions: dict[Key, dict[int, Revision]] = {}
        """By definition; no entry is empty."""
        self.templates = Templates()
        self.statuses: dict[tuple[str, str, str], Object] = {}
        """Status that the API server holds of each object of Batchyard's kinds here: by kind, namespace, name."""
        self.reading = Reading()
        self._refused: dict[tuple[str, str], tuple[Named, str]] = {}
        """Objects that a pass cannot digest, as they are, and what is wrong with them."""
        self._dirty_definitions: set[Key] = set()
        self._revision_keys: dict[Key, tuple[Key, int]] = {}
        self._pools: dict[str, Pool] | None = None
        self._on_change = on_change
        """Called with what jobs may be (un)blocked by that refer to it, with None when only capacity changed."""

    def pools(self) -> dict[str, Pool]:
        """Capacity of each environment, summed up anew only after nodes or environments changed."""
        if self._pools is None:
            nodes = list(self.nodes.values())
            self._pools = {name: pool(environment, nodes) for name, environment in self.environments.items()}
        return self._pools

    def refuse(self, kind: str, name: str, why: str) -> None:
        """Use an object no more, by kind and name, until it changes: a pass cannot digest it."""
        record = self._by_kind[kind].get(name)
        if record is not None and not record.refusal:
            self._refused[kind, name] = (record, why)
            self._by_kind[kind][name] = blank(record, why)
            self._pools = None
            self._on_change((kind, "", name))

    def _usable(self, kind: str, reader: Callable[[Object], N], obj: Object) -> N:
        """The record of an object that has come or changed; a blank one if it is as it was when it was refused."""
        record = self.reading.read(kind, reader, obj)
        known, why = self._refused.get((kind, record.name), (None, ""))
        if known == record:
            return blank(record, why)
        self._refused.pop((kind, record.name), None)
        return record

    def take_dirty_definitions(self) -> set[Key]:
        """Return the definitions that changed, or whose revisions did, since the last call."""
        dirty, self._dirty_definitions = self._dirty_definitions, set()
        return dirty

    def _capacity_changed(self) -> None:
        self._pools = None
        self._on_change(None)

    def put_node(self, obj: Object) -> None:
        """Take a node in; most of a node's events change nothing that matters here."""
        node = read_node(obj)
        if self.nodes.get(node.name) != node:
            self.nodes[node.name] = node
            self._capacity_changed()

    def remove_node(self, name: str) -> None:
        """Forget a node."""
        if self.nodes.pop(name, None) is not None:
            self._capacity_changed()

    def put_namespace(self, obj: Object) -> None:
        """Take a namespace's labels in."""
        name, labels = obj["metadata"]["name"], obj["metadata"].get("labels") or {}
        if self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            self._on_change((NAMESPACE, "", name))

    def remove_namespace(self, name: str) -> None:
        """Forget a namespace."""
        self.namespaces.pop(name, None)

    def put_queue(self, obj: Object) -> None:
        """Take a JobQueue in."""
        queue = self._usable(names.JOB_QUEUE, read_queue, obj)
        self._keep_status("JobQueue", obj)
        if self.queues.get(queue.name) != queue:
            self.queues[queue.name] = queue
            self._on_change((names.JOB_QUEUE, "", queue.name))

    def remove_queue(self, name: str, uid: str) -> None:
        """Forget a JobQueue."""
        if _is_gone(self.queues, name, uid):
            self._refused.pop((names.JOB_QUEUE, name), None)
            del self.queues[name]
            self.statuses.pop(("JobQueue", "", name), None)
            self._on_change((names.JOB_QUEUE, "", name))

    def put_environment(self, obj: Object) -> None:
        """Take a ComputeEnvironment in."""
        environment = self._usable(names.COMPUTE_ENVIRONMENT, read_environment, obj)
        self._keep_status("ComputeEnvironment", obj)
        if self.environments.get(environment.name) != environment:
            self.environments[environment.name] = environment
            self._capacity_changed()

    def remove_environment(self, name: str, uid: str) -> None:
        """Forget a ComputeEnvironment."""
        if _is_gone(self.environments, name, uid):
            self._refused.pop((names.COMPUTE_ENVIRONMENT, name), None)
            del self.environments[name]
            self.statuses.pop(("ComputeEnvironment", "", name), None)
            self._capacity_changed()

    def put_consumable(self, obj: Object) -> None:
        """Take a ConsumableResource in."""
        consumable = self._usable(names.CONSUMABLE_RESOURCE, read_consumable, obj)
        self._keep_status("ConsumableResource", obj)
        if self.consumables.get(consumable.name) != consumable:
            self.consumables[consumable.name] = consumable
            self._on_change((names.CONSUMABLE_RESOURCE, "", consumable.name))

    def remove_consumable(self, name: str, uid: str) -> None:
        """Forget a ConsumableResource."""
        if _is_gone(self.consumables, name, uid):
            self._refused.pop((names.CONSUMABLE_RESOURCE, name), None)
            del self.consumables[name]
            self.statuses.pop(("ConsumableResource", "", name), None)
            self._on_change((names.CONSUMABLE_RESOURCE, "", name))

    def put_definition(self, obj: Object) -> None:
        """Take a JobDefinition in."""
        definition = self.reading.read(names.JOB_DEFINITION, read_definition, obj)
        self._keep_status("JobDefinition", obj)
        if self.definitions.get(definition.key) != definition:
            known = self.definitions.get(definition.key)
            self._forget_revisions_of_others(definition)
            self.definitions[definition.key] = definition
            stays = known is not None and known.uid == definition.uid
            self._definition_changed(REVISIONS if stays else names.JOB_DEFINITION, definition.key)

    def _forget_revisions_of_others(self, definition: Definition) -> None:
        """Keep of what names a definition as its own only what names its uid: revisions may be seen before it is."""
        known = self.revisions.get(definition.key, {})
        for number in [each.number for each in known.values() if each.owner_uid != definition.uid]:
            del known[number]
            self.templates.forget(definition.key, number)
        if not known:
            self.revisions.pop(definition.key, None)

    def remove_definition(self, key: Key, uid: str) -> None:
        """Forget a JobDefinition; its revisions follow by garbage collection."""
        if _is_gone(self.definitions, key, uid):
            del self.definitions[key]
            self.statuses.pop(("JobDefinition", *key), None)
            self._definition_changed(names.JOB_DEFINITION, key)

    def put_revision(self, obj: Object) -> None:
        """Take a revision in, from its informer or from the answer to its creation."""
        revision = read_revision(obj)
        if revision is None:
            return
        definition = self.definitions.get(revision.definition)
        if definition is not None and definition.uid != revision.owner_uid:
            return  # left over from a definition of the same name; garbage collection is on its way
        known = self.revisions.setdefault(revision.definition, {})
        if known.get(revision.number) != revision:
            known[revision.number] = revision
            self._revision_keys[key_of(obj)] = (revision.definition, revision.number)
            self._definition_changed(REVISIONS, revision.definition)

    def remove_revision(self, key: Key, uid: str) -> None:
        """Forget a revision, by namespace and name of its ControllerRevision."""
        definition, number = self._revision_keys.get(key, (("", ""), 0))
        if _is_gone(self.revisions.get(definition, {}), number, uid):
            del self._revision_keys[key], self.revisions[definition][number]
            if not self.revisions[definition]:
                del self.revisions[definition]
            self.templates.forget(definition, number)
            self._definition_changed(REVISIONS, definition)

    def _definition_changed(self, what: str, key: Key) -> None:
        self._dirty_definitions.add(key)
        self._on_change((what, *key))

    def _keep_status(self, kind: str, obj: Object) -> None:
        """Note what the API server holds. What makes no sense counts as nothing, and is written anew."""
        status = obj.get("status") or {}
        self.statuses[kind, *key_of(obj)] = status if is_status(kind, status) else {}


def _is_gone(known: Mapping[K, _Named], name: K, uid: str) -> bool:
    """Whether what is known under a name is the object that was deleted, and not another one made since."""
    return name in known and known[name].uid == uid

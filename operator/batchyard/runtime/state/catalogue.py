"""Everything that jobs refer to: queues, environments, nodes, namespaces, definitions and their revisions.

The other half of the cache, apart from the jobs themselves. The informers and the Kopf handlers keep it current; the
loop takes its snapshots from it. A change that can move a waiting job is told to `on_change`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from batchyard.api import names
from batchyard.core.admission.protection import NOTHING_PROTECTED
from batchyard.core.definition.template import Templates
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.definition import Definition, Revision
from batchyard.core.model.job import Key
from batchyard.core.model.selectors import usable
from batchyard.core.scheduling.capacity.coming.supply import KnownShape, learned
from batchyard.core.scheduling.capacity.pools import Pool, pool
from batchyard.core.scheduling.capacity.space import Space
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kinds.consumableresource import read_consumable
from batchyard.objects.kinds.jobdefinition import read_definition
from batchyard.objects.kinds.jobqueue import read_queue
from batchyard.objects.kubernetes.node import read_node
from batchyard.objects.kubernetes.revision import read_revision
from batchyard.objects.meta import Object, key_of
from batchyard.runtime.state.kinds.podrules import KnownRules
from batchyard.runtime.state.kinds.provisioned import Provisioned
from batchyard.runtime.state.kinds.store import Intake, KindStore, N, StoredStatuses, is_gone
from batchyard.runtime.state.kinds.unreadable import Reading
from batchyard.runtime.state.noderoom import NodeRoom
from batchyard.runtime.state.pods.otherpods import OtherPods
from batchyard.runtime.state.referrers import NAMESPACE, REVISIONS, Reference


class Catalogue:
    """Records by kind, and the capacity that nodes and environments come to."""

    def __init__(self, on_change: Callable[[Reference | None], None]) -> None:
        self.reading = Reading()
        self.statuses = StoredStatuses()
        self._stores: dict[str, KindStore[Any]] = {}

        def records(kind: str, read: Callable[[Object], N], changed: Callable[[Reference], None]) -> dict[str, N]:
            store = KindStore(kind, read, self.reading, self.statuses, changed)
            self._stores[kind] = store
            return store.records

        self.queues = records(names.JOB_QUEUE, read_queue, on_change)
        self.environments = records(names.COMPUTE_ENVIRONMENT, read_environment, lambda _: self._capacity_changed())
        self.consumables = records(names.CONSUMABLE_RESOURCE, read_consumable, on_change)
        definitions = Intake(self.put_definition, self.remove_definition, self._definition_uids)
        self.intakes: Mapping[str, Intake] = {
            names.JOB_DEFINITION: definitions,
            **{kind: store.intake for kind, store in self._stores.items()},
        }
        """By kind."""
        self.nodes: dict[str, Node] = {}
        self.provisioned = Provisioned(self._capacity_changed, self.environments)
        self.other_pods = OtherPods(self._others_changed)
        self.room = NodeRoom(self.other_pods.by_node)
        self.namespaces: dict[str, dict[str, str]] = {}
        self.pod_rules = KnownRules(on_change)
        self.protection = NOTHING_PROTECTED
        self.definitions: dict[Key, Definition] = {}
        self.revisions: dict[Key, dict[int, Revision]] = {}
        """By definition; no entry is empty."""
        self.templates = Templates()
        self._dirty_definitions: set[Key] = set()
        self._revision_keys: dict[Key, tuple[Key, int]] = {}
        self._pools: dict[str, Pool] | None = None
        self._known_troubles: dict[str, str] = {}
        self._seen: dict[str, KnownShape] = {}
        """What is known of instance types from nodes that were made."""
        self._fixed_version = 0
        self._on_change = on_change
        """Called with what jobs may be (un)blocked by that refer to it, with None when only capacity changed."""

    def pools(self) -> dict[str, Pool]:
        """Capacity of each environment, summed up anew only after nodes, environments or claims changed."""
        troubles = self._troubles()
        if self._pools is None or troubles != self._known_troubles:
            self._known_troubles = troubles
            nodes = list(self.nodes.values())
            fixed = self.other_pods.fixed_by_node
            claims = list(self.provisioned.claims.values())
            if claims:
                self._seen = learned(claims, {node.machine: node for node in nodes}, fixed, self._seen)
            self._pools = {
                name: pool(
                    environment,
                    nodes,
                    fixed if environment.count_other_pods else {},
                    claims,
                    self._seen,
                    troubles.get(name, ""),
                )
                for name, environment in self.environments.items()
            }
        return self._pools

    def _troubles(self) -> dict[str, str]:
        """Why managed environments get no nodes, of those that do not. It may turn without an event of any of them."""
        return {
            name: trouble.message
            for name, environment in self.environments.items()
            if environment.managed is not None and (trouble := self.provisioned.trouble(environment)) is not None
        }

    def space(self) -> Space:
        """Return what is free on each node; nobody else may change it."""
        return self.room.space(self.pools())

    def refuse(self, kind: str, name: str, why: str) -> None:
        """Use an object no more, by kind and name, until it changes: a pass cannot digest it."""
        if self._stores[kind].refuse(name, why):
            self._pools = None
            self._on_change((kind, "", name))

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

    def _others_changed(self, node_name: str, freed: bool) -> None:
        """Tell where another's pod has made room for jobs; that one has taken room the next pass sees soon enough."""
        self.room.others_changed(node_name)
        if self.other_pods.fixed_version != self._fixed_version:
            self._fixed_version, self._pools = self.other_pods.fixed_version, None
        node = self.nodes.get(node_name)
        if not freed or node is None:
            return
        if any(each.count_other_pods and usable(each, node) for each in self.environments.values()):
            self._on_change(None)

    def put_namespace(self, obj: Object) -> None:
        """Take a namespace's labels in."""
        name, labels = obj["metadata"]["name"], obj["metadata"].get("labels") or {}
        if self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            self._on_change((NAMESPACE, "", name))

    def remove_namespace(self, name: str) -> None:
        """Forget a namespace."""
        self.namespaces.pop(name, None)

    def put_definition(self, obj: Object) -> None:
        """Take a JobDefinition in."""
        definition = self.reading.read(names.JOB_DEFINITION, read_definition, obj)
        self.statuses.keep(names.JOB_DEFINITION, obj)
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
        if is_gone(self.definitions, key, uid):
            del self.definitions[key]
            self.statuses.pop((names.JOB_DEFINITION, *key), None)
            self._definition_changed(names.JOB_DEFINITION, key)

    def _definition_uids(self) -> dict[Key, str]:
        return {key: definition.uid for key, definition in self.definitions.items()}

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
        if is_gone(self.revisions.get(definition, {}), number, uid):
            del self._revision_keys[key], self.revisions[definition][number]
            if not self.revisions[definition]:
                del self.revisions[definition]
            self.templates.forget(definition, number)
            self._definition_changed(REVISIONS, definition)

    def _definition_changed(self, what: str, key: Key) -> None:
        self._dirty_definitions.add(key)
        self._on_change((what, *key))

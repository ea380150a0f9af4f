"""Writes the CustomResourceDefinitions: `python -m batchyard.api.generate.crds crds/`.

The files are generated from the models and committed; a test proves that writing them again changes nothing.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from batchyard.api import names
from batchyard.api.generate.schema import structural_schema
from batchyard.api.kinds import KINDS, Kind

Json = dict[str, Any]

HEADER = "# Generated from operator/batchyard/api by `make generate`; do not edit.\n"


def definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of one kind."""
    version: Json = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": structural_schema(kind.model, kind.name)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


class _Writer(yaml.SafeDumper):
    """Writes repeated parts in full: anchors are no help to readers of a CRD."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(kind: Kind) -> str:
    """The file of one kind."""
    return HEADER + yaml.dump(definition(kind), Dumper=_Writer, sort_keys=False, width=110, allow_unicode=True)


def file_name(kind: Kind) -> str:
    """Name of the file of one kind, as customary: group_plural.yaml."""
    return f"{names.GROUP}_{kind.plural}.yaml"


def main(folder: Path) -> None:
    """Write all files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS.values():
        (folder / file_name(kind)).write_text(render(kind), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

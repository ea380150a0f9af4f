"""Golden files: what the builders make, as YAML that a person has read. `GOLDEN=update pytest` writes them anew."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

Golden = Callable[[str, Mapping[str, Any]], None]

_FILES = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Golden:
    def compare(name: str, built: Mapping[str, Any]) -> None:
        file = _FILES / f"{name}.yaml"
        plain = json.loads(json.dumps(built))
        if os.environ.get("GOLDEN") == "update":
            file.write_text(yaml.safe_dump(plain, sort_keys=False, width=110, allow_unicode=True))
        assert plain == yaml.safe_load(file.read_text()), f"{file.name} differs: read it, then GOLDEN=update pytest"

    return compare

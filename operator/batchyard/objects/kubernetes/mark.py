"""The mark by which an operator knows the Kubernetes Jobs that it, or one before it, has made.

A signature of the Job's name and namespace and of all that Batchyard reads from its labels and annotations: whoever
lacks the key can neither make such a Job nor change what one says. A field manager would be no proof: who writes
chooses it.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from batchyard.api import names

_PREFIX = f"{names.GROUP}/"


def signed(job: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """The same Job with its mark."""
    metadata = job["metadata"]
    annotations = {**metadata["annotations"], names.MARK: _mark(metadata, key)}
    return {**job, "metadata": {**metadata, "annotations": annotations}}


def is_signed(job: Mapping[str, Any], key: bytes) -> bool:
    """Whether the mark of a Job is right for where it is and for what it says."""
    metadata = job["metadata"]
    found = (metadata.get("annotations") or {}).get(names.MARK)
    return found is not None and hmac.compare_digest(found.encode(), _mark(metadata, key).encode())


def _mark(metadata: Mapping[str, Any], key: bytes) -> str:
    said = [_ours(metadata.get(part) or {}) for part in ("labels", "annotations")]
    text = json.dumps([metadata["namespace"], metadata["name"], *said])
    return urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).decode()


def _ours(mapping: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in mapping.items() if name.startswith(_PREFIX) and name != names.MARK)

"""What a run was granted with: all that its end is judged by, whatever has become of its queue and definition since.

The Kubernetes Job bears it as an annotation.
"""

from collections.abc import Iterable

from batchyard.core.model.definition import Origin, Resolved
from batchyard.core.model.run import Run, RunTerms


def terms_of(resolved: Resolved) -> RunTerms:
    """The terms that a run gets now."""
    return RunTerms(
        retry=resolved.retry,
        startup_grace_seconds=resolved.startup_grace_seconds,
        definition_uid=resolved.definition_uid,
        digest=resolved.digest,
    )


def judged_by(resolved: Resolved | None, runs: Iterable[Run]) -> RunTerms:
    """By what the ends of a job's runs are judged: all of them have the same terms."""
    if resolved is not None:
        return terms_of(resolved)
    return next((run.terms for run in runs if run.terms is not None), RunTerms())


def origin_of(runs: Iterable[Run]) -> Origin | None:
    """What the newest of a job's runs runs; None where there is none."""
    newest = max(runs, key=lambda run: run.number, default=None)
    if newest is None:
        return None
    terms = newest.terms or RunTerms()
    return Origin(newest.revision, terms.definition_uid, terms.digest)

"""Who may read /metrics: whoever the API server knows by their token, and lets GET that path.

The same questions, and hence the same roles, as with other controllers: a TokenReview, then a SubjectAccessReview for
the path that is no resource. It has a connection of its own to the API server and runs beside the passes.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from batchyard.kube.errors import ApiError
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS

ALLOWED_SECONDS = 60.0
REFUSED_SECONDS = 10.0
"""How long an answer holds: a right that is taken away holds for a minute at most."""
QUESTION_SECONDS = 5.0
MOST_ANSWERS = 256
MOST_QUESTIONS = 4
"""How many are asked at a time: who sends made-up tokens must not make the API server work."""


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why somebody does not get to read, as HTTP code and sentence."""

    code: int
    message: str


class MetricsAccess:
    """Decides by the `Authorization` header of a request."""

    def __init__(self, api: KubeApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._answers: dict[bytes, tuple[float, Refusal | None]] = {}
        """Until when an answer holds, by a digest of the token; the oldest first."""
        self._questions = 0

    async def refusal(self, authorization: str) -> Refusal | None:
        """Why the sender of a header may not read the metrics; None if they may."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return Refusal(401, "say who asks: send the token of a service account as 'Authorization: Bearer <token>'")
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        until, answer = self._answers.get(digest, (0.0, None))
        if self._clock() < until:
            return answer
        if self._questions >= MOST_QUESTIONS:
            return Refusal(429, "too many tokens are being checked at the same time; ask again in a moment")
        self._questions += 1
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                answer = await self._ask(token)
        except TimeoutError:
            return Refusal(503, "the API server does not answer whether you may read the metrics; ask again later")
        except ApiError as error:
            return Refusal(503, f"the API server does not say whether you may read the metrics: {error.message}")
        finally:
            self._questions -= 1
        self._answers.pop(digest, None)
        while len(self._answers) >= MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
        self._answers[digest] = self._clock() + (ALLOWED_SECONDS if answer is None else REFUSED_SECONDS), answer
        return answer

    async def _ask(self, token: str) -> Refusal | None:
        review = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": "TokenReview", "spec": {"token": token}}
        known = (await self._api.create(TOKEN_REVIEWS, review)).get("status") or {}
        if not known.get("authenticated"):
            return Refusal(401, "the API server does not know this token, or it has expired: send one that is valid")
        user = known.get("user") or {}
        spec = {
            "user": user.get("username", ""),
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            **{field: user[field] for field in ("uid", "groups", "extra") if user.get(field)},
        }
        access = {"apiVersion": SUBJECT_ACCESS_REVIEWS.api_version, "kind": "SubjectAccessReview", "spec": spec}
        answer = (await self._api.create(SUBJECT_ACCESS_REVIEWS, access)).get("status") or {}
        if answer.get("allowed") and not answer.get("denied"):
            return None
        return Refusal(
            403,
            f"{spec['user']} may not read the metrics: bind them to a ClusterRole with"
            " {nonResourceURLs: [/metrics], verbs: [get]}",
        )

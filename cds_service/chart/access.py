"""One GET of FHIR JSON: retried at most once, and read strictly."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import Any

from cds_service.egress import Base, Deadline, Egress, EgressError, Failed, Lanes, Policy, Reply
from cds_service.protocol import strict_json
from cds_service.protocol.dialect import Dialect
from cds_service.values import dataclass

_JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})
_WORTH_ANOTHER = frozenset({500, 502, 503, 504})
_TROUBLE = frozenset({429, *range(500, 600)})
_LEFT_FOR_ANOTHER = 0.4
"""Part of the time that must be left for a second try."""


class Outcome(StrEnum):
    """How one request to a FHIR server went."""

    OK = "ok"
    CLIENT_ERROR = "answered-4xx"
    SERVER_ERROR = "answered-5xx"
    OTHER_STATUS = "answered-otherwise"
    NO_ANSWER = "no-answer"
    NOT_ALLOWED = "not-allowed"
    BULKHEAD = "too-many-calls"
    CIRCUIT = "left-alone"


@dataclass(frozen=True, slots=True)
class FhirAccess:
    """How one client's FHIR server may be read in one call.

    `deadline` is when the last answer of the server counts; what comes later is unread.
    """

    egress: Egress
    lanes: Lanes
    policy: Policy
    dialect: Dialect
    deadline: Deadline
    count: Callable[[str], None] = field(default=lambda outcome: None, repr=False)
    """Told of each request how it went, in a word of `Outcome`."""


_OUTCOMES = {200: Outcome.OK, 4: Outcome.CLIENT_ERROR, 5: Outcome.SERVER_ERROR}


@dataclass(frozen=True, slots=True)
class Got:
    """What one GET brought: the reply, or in fixed words why there is none.

    `is_trouble` says that the server or the way to it is at fault, not what was asked for;
    `may_pass` that a second try is worth it.
    """

    reply: Reply | None = None
    reason: str = ""
    is_trouble: bool = False
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads from the FHIR server of one call with the token of that call."""

    access: FhirAccess
    base: Base
    token: str = field(repr=False)
    sleep: Callable[[float], None] = time.sleep
    began: float = field(default_factory=time.monotonic)

    def get(self, url: str) -> Got:
        """One resource or one page; after trouble once more, where enough time is left."""
        found = self._once(url)
        pause = self._pause(found)
        if pause is None:
            return found
        self.sleep(pause)
        return self._once(url)

    def _once(self, url: str) -> Got:
        access = self.access
        try:
            reply = access.egress.get(
                url,
                base=self.base,
                policy=access.policy,
                deadline=access.deadline,
                token=self.token,
            )
        except Failed as error:
            access.count(Outcome.NO_ANSWER)
            return Got(reason=error.reason, is_trouble=True, may_pass=error.may_pass)
        except EgressError as error:
            access.count(Outcome.NOT_ALLOWED)
            return Got(reason=error.reason)
        status = reply.status
        access.count(
            _OUTCOMES.get(status if status == 200 else status // 100, Outcome.OTHER_STATUS)
        )
        return Got(reply, is_trouble=status in _TROUBLE, may_pass=status in _WORTH_ANOTHER)

    def _pause(self, found: Got) -> float | None:
        """Seconds until a second try, None when there is to be none."""
        left = self.access.deadline.remaining_s()
        spare = left - _LEFT_FOR_ANOTHER * (left + time.monotonic() - self.began)
        if spare <= 0 or not found.may_pass:
            return None
        reply = found.reply
        pause = random.uniform(0.02, 0.06)  # noqa: S311 - spreads retries, protects nothing
        if reply is not None and reply.retry_after_s is not None:
            pause = max(pause, reply.retry_after_s)
        return pause if pause < spare else None


def document_of(reply: Reply) -> tuple[dict[str, Any] | None, str]:
    """The FHIR resource in a reply, or the reason why there is none."""
    if reply.status != 200:
        return None, f"answered {reply.status}"
    if reply.content_type not in _JSON:
        return None, "answer was no JSON"
    try:
        document = strict_json.loads(reply.body)
    except strict_json.NotStrictJson:
        return None, "answer was not strict JSON"
    return (document, "") if isinstance(document, dict) else (None, "answer was no resource")

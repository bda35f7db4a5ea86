"""What clinicians made of cards, as the specification and as Epic write it down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from cds_service.protocol.errors import InvalidRequest, Problem
from cds_service.protocol.validation import MAX_PROBLEMS, problems
from cds_service.values import dataclass

MAX_ITEMS = 500
MAX_COMMENT = 2000
MAX_WORDS = 200
_CUT = "…"
_BUILT_BY_EHR = ("reasonCategory", "reasonTitle", "reasonDisplay")
"""How the members end in which Epic sends a reason that its own build holds, not the card."""


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """One reason for not following a card; what is written out may hold data of the patient."""

    code: str
    system: str | None = None
    words: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What became of one card, once.

    `suggestions` are the accepted ones, sorted. The comment is a clinician's free text, cut at
    MAX_COMMENT characters: it belongs to the patient's data and into no log.
    """

    card: str
    outcome: str
    at: datetime
    suggestions: tuple[str, ...] = ()
    reasons: tuple[OverrideReason, ...] = ()
    comment: str | None = field(default=None, repr=False)

    def fingerprint(self, client: str, service: str) -> bytes:
        """What a repeat has in common with the first: card, outcome, time and suggestions."""
        parts = (client, service, self.card, self.outcome, self.at.isoformat(), *self.suggestions)
        encoded = [part.encode() for part in parts]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
        return hashlib.sha256(message).digest()


def read_feedback(body: Mapping[str, Any]) -> tuple[Feedback, ...]:
    """The feedback of one request; raises InvalidRequest with every problem by its place.

    A time that lies ahead is kept as it was sent: a wrong clock is no reason to lose an answer,
    and the time of receipt stands beside it.
    """
    sent = body.get("feedback")
    if isinstance(sent, list) and len(sent) > MAX_ITEMS:
        raise InvalidRequest((Problem("$.feedback", f"must have at most {MAX_ITEMS} items"),))
    found = problems("feedback", body)
    if found or not isinstance(sent, list):
        raise InvalidRequest(found)
    read: list[Feedback] = []
    wrong: list[Problem] = []
    for position, item in enumerate(sent):
        at = _moment(item["outcomeTimestamp"])
        if at is None:
            place = f"$.feedback[{position}].outcomeTimestamp"
            wrong.append(Problem(place, "must be a moment that exists"))
        else:
            read.append(_feedback(item, at))
    if wrong:
        raise InvalidRequest(tuple(wrong[:MAX_PROBLEMS]))
    return tuple(read)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # a leap second; the year 1 in an eastern zone
        return None


def _feedback(item: Mapping[str, Any], at: datetime) -> Feedback:
    overrides = [*_overrides(item)]
    comments = [text for one in overrides if (text := _text(one.get("userComment"), MAX_COMMENT))]
    suggestions = item.get("acceptedSuggestions") or ()
    return Feedback(
        card=_id(item["card"]),
        outcome=item["outcome"],
        at=at,
        suggestions=tuple(sorted({_id(one["id"]) for one in suggestions})),
        reasons=tuple(dict.fromkeys(_reasons(item, overrides))),
        comment=_text("\n".join(dict.fromkeys(comments)), MAX_COMMENT),
    )


def _overrides(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What stands under the specification's name and under Epic's."""
    for name in ("overrideReason", "overrideReasons"):
        value = item.get(name)
        for one in value if isinstance(value, list) else (value,):
            if one:
                yield one


def _reasons(
    item: Mapping[str, Any], overrides: list[Mapping[str, Any]]
) -> Iterator[OverrideReason]:
    for one in overrides:
        if reason := one.get("reason"):
            yield OverrideReason(
                _text(reason["code"], MAX_WORDS) or "",
                _text(reason.get("system"), MAX_WORDS),
                _text(reason.get("display"), MAX_WORDS),
            )
            yield from _built_by_ehr(reason.get("extension"))
        yield from _built_by_ehr(one.get("extension"))
    yield from _built_by_ehr(item.get("extension"))


def _built_by_ehr(extension: Any) -> Iterator[OverrideReason]:
    """The reason of an extension: its category is a code of the EHR, title and display are words.

    The name of the member is the system, so that such codes of two EHRs do not become one.
    """
    if not isinstance(extension, dict):
        return
    found: dict[str, str] = {}
    system = None
    for name, value in extension.items():
        ending = next((end for end in _BUILT_BY_EHR if name.endswith(end)), None)
        if ending and isinstance(value, str | int) and (text := _text(str(value), MAX_WORDS)):
            found[ending] = text
            system = _text(name.removesuffix(ending).rstrip("."), MAX_WORDS) or None
    if found:
        category, *words = (found.get(ending) for ending in _BUILT_BY_EHR)
        shown = " / ".join(dict.fromkeys(text for text in words if text))
        yield OverrideReason(category or "", system, _text(shown, MAX_WORDS))


def _id(text: str) -> str:
    """An identifier as it is compared: UUIDs are the same in capitals."""
    return _storable(text).strip().lower()


def _text(value: str | None, limit: int) -> str | None:
    """A text that any database takes, cut to a length; None when nothing is left."""
    text = _storable(value or "").strip()
    if len(text) > limit:
        text = text[: limit - len(_CUT)] + _CUT
    return text or None


def _storable(text: str) -> str:
    """Without what is no character of UTF-8, and without NUL, which PostgreSQL refuses."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")

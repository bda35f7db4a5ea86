"""What is kept of one answer: the explanation's codes and bands, and pseudonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from cds_service.protocol.advice import Advice
from cds_service.protocol.identifiers import derived_uuid, uuid_of_time
from cds_service.store import Decision, Judgement
from cds_service.values import dataclass

MAX_CODE = 120
"""Longer than any code; what is longer is no code, and is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What an answer rests on, held until the answer is on its way; `repr` shows no patient.

    `shown` are the advices that were handed to the profile, in the order of the cards. `declined`
    says for each order that was not judged why, `ignored` for each resource that was not used;
    `unread` names the data that could not be read. Nothing of it holds the chart.
    """

    service: str
    hook: str
    ruleset: str
    client: str
    mode: str
    patient_id: str = field(repr=False)
    advices: tuple[Advice, ...] = field(repr=False, default=())
    shown: tuple[Advice, ...] = field(repr=False, default=())
    cards: tuple[Mapping[str, Any], ...] = field(repr=False, default=())
    declined: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    silence: str | None = None

    def decision(self, key: bytes, *, knowledge: str, at: datetime, latency_ms: float) -> Decision:
        """The row that is kept. Patient and order become pseudonyms under a key, per client.

        The same patient has the same pseudonym as long as the key stays. Fhir ids, values, dates
        and words are left out, also those of the reasons: their codes remain.
        """
        return Decision(
            id=uuid_of_time(at),
            at=at,
            service=self.service,
            hook=self.hook,
            ruleset=self.ruleset,
            knowledge=knowledge,
            client=self.client,
            mode=self.mode,
            patient=derived_uuid(key, "patient", self.client, self.patient_id),
            silence=self.silence,
            latency_ms=round(latency_ms, 2),
            declined=_counts(self.declined),
            unread=tuple(sorted({_code(data) for data in self.unread})),
            ignored=_counts(self.ignored),
            judgements=tuple(self._judgements(key)),
        )

    def _judgements(self, key: bytes) -> Iterator[Judgement]:
        # A profile renders one card for each advice with an indicator, in the same order.
        speaking = [position for position, one in enumerate(self.shown) if one.indicator]
        cards = dict(zip(speaking, self.cards, strict=True))
        for position, advice in enumerate(self.advices):
            card = cards.get(position, {})
            yield Judgement(
                patient_order=derived_uuid(
                    key, "order", self.client, self.patient_id, advice.order
                ),
                study=_code_or_none(advice.study),
                scenario=_code(advice.scenario),
                modifiers=tuple(_code(one) for one in advice.modifiers),
                rating=_code_or_none(advice.rating),
                rating_status=_code(advice.rating_status),
                timing=_code(advice.timing),
                indicator=_code_or_none(advice.indicator),
                silence=_code_or_none(advice.silence),
                rule=_code(advice.rule),
                reasons=tuple(_code(reason.code) for reason in advice.reasons),
                card=card.get("uuid"),
                suggestions=tuple(one["uuid"] for one in card.get("suggestions", ())),
            )


def _counts(reasons: tuple[str, ...]) -> dict[str, int]:
    if not reasons:
        return {}
    return dict(sorted(Counter(_code(reason) for reason in reasons).items()))


def _code(text: str) -> str:
    # Services hand over members of enumerations; databases take plain strings.
    return str(text)[:MAX_CODE]


def _code_or_none(text: str | None) -> str | None:
    return None if text is None else _code(text)

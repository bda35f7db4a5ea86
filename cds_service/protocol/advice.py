"""What a decision service makes of the orders: advice and proposals as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from cds_service.protocol.chart import Ignored, Resource, Unread
from cds_service.protocol.orders import Order
from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Coding:
    """A code with its system and, where people see it, its display."""

    system: str
    code: str
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for the answer: a stable code, words, the source key, and its evidence."""

    code: str
    text: str
    source: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conditional:
    """A rating that holds only under a condition that is not known."""

    when: str
    rating: str | None


class ProposalKind(StrEnum):
    """What a proposal does to the orders."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the orders that the clinician may take.

    `resource` is the raw FHIR resource the change starts from (the draft for replace and remove,
    a new resource without id for add). `study` names what is ordered instead, `codes` what it may
    be coded as, best first; the profile takes the client's orderable before them. A proposal for
    which the client has no code is not offered. `rating` is that of the proposed study.
    """

    kind: ProposalKind
    study: str
    label: str
    description: str
    resource: Resource
    codes: tuple[Coding, ...] = ()
    recommended: bool = False
    rating: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link shown on a card; the address comes from the service's fixed manifest.

    `#id` is a place on the page about the service, shown where that page has a public address.
    """

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What one order deserves, in the words of the explanation and of the card.

    `indicator` is None exactly when there is no card; `silence` then says why.
    """

    order: str
    study: str | None
    scenario: str
    timing: str
    rating: str | None = None
    rating_status: str = "out-of-scope"
    rating_source: str | None = None
    conditional: tuple[Conditional, ...] = ()
    modifiers: tuple[str, ...] = ()
    indicator: str | None = None
    silence: str | None = None
    rule: str
    reasons: tuple[Reason, ...] = ()
    summary: str = ""
    detail: str = ""
    topic: Coding | None = None
    source_label: str = ""
    source_url: str | None = None
    source_anchor: str | None = None
    """A place on the page about the service, taken before `source_url` where the page is public."""
    links: tuple[Link, ...] = ()
    override_reasons: tuple[Coding, ...] = ()
    proposals: tuple[Proposal, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing read from the chart, with the resources it rests on, or why it is unknown.

    `label` names it for people; explanations know it by its key alone.
    """

    value: object
    evidence: tuple[str, ...] = ()
    unknown: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which drafts belong to a service: those it judges, and those it declines with the reason."""

    orders: tuple[tuple[Order, str], ...] = ()
    declined: tuple[Advice, ...] = ()
    drafts: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """The whole answer of a decision service to one call.

    `facts` is called only where somebody asks for the explanation, not on every hook call.
    """

    advices: tuple[Advice, ...]
    facts: Callable[[], Mapping[str, Fact]] = dict
    ignored: tuple[Ignored, ...] = ()
    unread: tuple[Unread, ...] = ()


class ChartNotReadable(Exception):
    """Data without which no answer is possible could not be obtained (CDS Hooks: 412)."""

    def __init__(self, missing: tuple[Unread, ...]) -> None:
        super().__init__("; ".join(f"{gap.data}: {gap.reason}" for gap in missing))
        self.missing = missing

"""One patient's chart for one call: parts by FHIR resource type, each with its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from cds_service.values import dataclass

Resource: TypeAlias = Mapping[str, Any]


class PartState(StrEnum):
    """How far one part of the chart was read; an empty part is known, an unread one is not."""

    COMPLETE = "complete"
    EMPTY = "empty"
    PARTIAL = "partial"
    UNREAD = "unread"


KNOWN = (PartState.COMPLETE, PartState.EMPTY)
"""States of a part from which absence may be read as absence from the chart."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A resource that was received and not used, and why."""

    resource: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the chart that could not be read, or not to its end, and why."""

    data: str
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """All resources of one type that were received, raw, with the state of the reading.

    `unmatched` holds those of which it cannot be told that they are about the patient: they are
    never data, but what they may be must not be taken for absent.
    """

    resource_type: str
    state: PartState
    reason: str | None = None
    resources: tuple[Resource, ...] = ()
    unmatched: tuple[Resource, ...] = ()

    @property
    def is_known(self) -> bool:
        """True when absence from this part may be read as absence from the chart."""
        return self.state in KNOWN


@dataclass(frozen=True, slots=True)
class Chart:
    """What is known of one patient in one call.

    `related` resolves references (`Type/id`, full URLs) to other resources that came along.
    `zone` is the client's time zone, in which instants become calendar dates.
    """

    patient_id: str
    zone: ZoneInfo
    patient: Part
    parts: Mapping[str, Part]
    related: Mapping[str, Resource] = field(default_factory=dict)
    ignored: tuple[Ignored, ...] = ()

    def part(self, resource_type: str) -> Part:
        """The part of one resource type; a type nobody asked for is unread."""
        return self.parts.get(resource_type) or Part(
            resource_type, PartState.UNREAD, "not requested"
        )

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Every part that is not known to its end, with the reason."""
        return tuple(
            Unread(part.resource_type, part.reason or part.state.value)
            for part in (self.patient, *self.parts.values())
            if part.state not in KNOWN
        )

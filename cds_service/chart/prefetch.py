"""The chart from prefetch: by key, and by resource type where the key does not tell."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from zoneinfo import ZoneInfo

from cds_service.chart.newest import keep_all, keep_newest
from cds_service.chart.patient_gate import SubjectCheck
from cds_service.chart.patient_part import patient_part
from cds_service.chart.prefetch_value import NOT_FHIR, SINGLE, PrefetchValue
from cds_service.chart.related import Related
from cds_service.chart.walk import DRAFTS, resources_at, shown_key
from cds_service.fhir.resources import identity, name_of
from cds_service.protocol.chart import KNOWN, Chart, Ignored, Part, PartState, Resource
from cds_service.protocol.request import HookRequest
from cds_service.protocol.service import PrefetchItem
from cds_service.values import dataclass

ABSENT = "prefetch key absent"
_State = tuple[PartState, str | None]
_NOT_READ = f"{ABSENT}, no FHIR access"
_WORST_LAST = (PartState.EMPTY, PartState.COMPLETE, PartState.PARTIAL, PartState.UNREAD)


def read_chart(
    request: HookRequest, items: tuple[PrefetchItem, ...], check: SubjectCheck, zone: ZoneInfo
) -> Chart:
    """One patient's chart from what came with the call; nothing in it can make this fail.

    The key a service has published decides the state of its resource type. Only where that key
    tells nothing do the client's other keys count, for the types they hold. Resources are taken
    from wherever they are, each once; those whose patient cannot be told are named and left out.
    """
    reading = _Reading(request, items, check)
    return Chart(
        patient_id=request.patient_id,
        zone=zone,
        patient=reading.patient(),
        parts={kind: reading.part(kind) for kind in reading.own if kind != "Patient"},
        related=_related(reading),
        ignored=tuple(dict.fromkeys(reading.ignored())),
    )


def missing_items(
    request: HookRequest, items: tuple[PrefetchItem, ...], check: SubjectCheck
) -> tuple[PrefetchItem, ...]:
    """The items whose key did not come, and whose type came under no other key either."""
    absent = [item for item in items if item.key not in request.prefetch]
    if not absent:
        return ()
    reading = _Reading(request, items, check)
    return tuple(
        item
        for item in absent
        if not (
            reading.patient()
            if item.resource_type == "Patient"
            else reading.part(item.resource_type)
        ).is_known
    )


def related_to(
    request: HookRequest, items: tuple[PrefetchItem, ...], check: SubjectCheck
) -> Mapping[str, Resource]:
    """Everything that came along, by the references that lead to it."""
    return _related(_Reading(request, items, check))


@dataclass(slots=True)
class _Reading:
    """The values of one request, sorted by resource type."""

    request: HookRequest
    items: tuple[PrefetchItem, ...]
    check: SubjectCheck
    values: Mapping[str, PrefetchValue] = field(init=False)
    by_type: dict[str, dict[Hashable, Resource]] = field(init=False, default_factory=dict)
    unmatched: dict[str, list[Resource]] = field(init=False, default_factory=dict)
    own: dict[str, _State] = field(init=False, default_factory=dict)
    """By type how far the keys were read that are published for it."""

    def __post_init__(self) -> None:
        self.values = self.check.values
        for published in self.items:
            kind = published.resource_type
            state = self._own_state(published.key, kind)
            self.own[kind] = _worst([self.own[kind], state]) if kind in self.own else state
        unmatched = self.check.unmatched
        for value in self.values.values():
            if not value.types:
                continue
            if not unmatched and len(value.types) == 1:
                (kind,) = value.types
                keep_all(self.by_type.setdefault(kind, {}), value.resources)
                continue
            for item in value.received:
                if unmatched and id(item.resource) in unmatched:
                    self.unmatched.setdefault(item.resource_type, []).append(item.resource)
                    continue
                kept = self.by_type.setdefault(item.resource_type, {})
                keep_newest(kept, identity(item.resource), item.resource)

    def patient(self) -> Part:
        """The Patient, from whatever key it came under."""
        patients = self.by_type.get("Patient", {}).values()
        return patient_part(patients, self.request.patient_id, self._why_no_patient)

    def _why_no_patient(self) -> str:
        keys = [item.key for item in self.items if item.resource_type == "Patient"]
        if not keys:
            return "not requested"
        key = keys[-1]
        if key not in self.values:
            return _NOT_READ
        if self.request.prefetch.get(key, "") is None:
            return "null"
        value = self.values[key]
        if "Patient" in value.types:
            return "no id"
        if value.state is PartState.EMPTY:
            return "an empty Bundle"
        return value.reason if value.reason and value.reason != SINGLE else NOT_FHIR

    def part(self, resource_type: str) -> Part:
        """The part of one resource type."""
        resources = tuple(self.by_type.get(resource_type, {}).values())
        state, reason = self.own[resource_type]
        if state is PartState.UNREAD:
            state, reason = self._state_elsewhere(resource_type)
        if state in KNOWN:
            state = PartState.COMPLETE if resources else PartState.EMPTY
        elif state is PartState.UNREAD and resources:
            state, reason = PartState.PARTIAL, "only what came along under other keys"
        unmatched = tuple(self.unmatched.get(resource_type, ()))
        return Part(resource_type, state, reason, resources, unmatched)

    def _state_elsewhere(self, resource_type: str) -> _State:
        """What the client's other keys tell of a type; its own state where they hold none of it."""
        published = {item.key for item in self.items}
        others = [
            self._other_state(value, resource_type)
            for key, value in self.values.items()
            if key not in published and resource_type in value.types
        ]
        return _worst(others) if others else self.own[resource_type]

    def _own_state(self, key: str, resource_type: str) -> _State:
        value = self.values.get(key)
        if value is None:
            return PartState.UNREAD, _NOT_READ
        if value.types and resource_type not in value.types:
            if value.reason == SINGLE:
                return PartState.UNREAD, NOT_FHIR
            if value.state is PartState.COMPLETE:
                return PartState.PARTIAL, "entries of other types only"
        return value.state, value.reason

    def _other_state(self, value: PrefetchValue, resource_type: str) -> _State:
        if value.state is PartState.COMPLETE and not value.answers(resource_type):
            return PartState.PARTIAL, "only included with other resources"
        return value.state, value.reason

    def ignored(self) -> Iterator[Ignored]:
        """Everything that came and is not used, and why."""
        unmatched = self.check.unmatched
        for key, value in self.values.items():
            for position in value.broken:
                yield Ignored(f"{shown_key(key)} entry {position}", NOT_FHIR)
            if not unmatched and "Patient" not in value.types:
                continue
            for item in value.received:
                reason = unmatched.get(id(item.resource))
                if item.resource_type == "Patient" and not isinstance(item.resource.get("id"), str):
                    reason = "id-missing"
                if reason:
                    yield Ignored(name_of(item.resource), reason)


def _worst(states: Sequence[_State]) -> _State:
    """The worst of some states with its reason; the first of equals."""
    return max(states, key=lambda found: _WORST_LAST.index(found[0]))


def _related(reading: _Reading) -> Related:
    return Related(partial(_index, reading), reading.request.fhir_server)


def _index(reading: _Reading) -> dict[str, Resource]:
    related = {
        f"{resource_type}/{key}": resource
        for resource_type, kept in reading.by_type.items()
        for key, resource in kept.items()
        if isinstance(key, str)
    }
    unmatched = reading.check.unmatched
    for value in reading.values.values():
        for item in value.received:
            url = item.full_url
            if isinstance(url, str) and url and id(item.resource) not in unmatched:
                keep_newest(related, url, item.resource)
    for found in resources_at(reading.request.draft_orders, DRAFTS):
        if id(found.resource) not in unmatched:
            key = identity(found.resource)
            if isinstance(key, str):
                name = f"{found.resource.get('resourceType')}/{key}"
                keep_newest(related, name, found.resource)
            if found.full_url:
                keep_newest(related, found.full_url, found.resource)
    return related

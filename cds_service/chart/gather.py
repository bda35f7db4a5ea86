"""Completes a chart from the client's FHIR server: only what is missing, all at once, in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cds_service.chart.access import FhirAccess, Outcome, Reader
from cds_service.chart.addresses import address_of, is_search
from cds_service.chart.fetching import Fetching
from cds_service.chart.pages import Pages
from cds_service.chart.patient_gate import SubjectCheck, check_subjects
from cds_service.chart.prefetch import ABSENT, missing_items
from cds_service.chart.prefetch_value import PAGED, PrefetchValue, Received
from cds_service.chart.referenced import unresolved
from cds_service.chart.scopes import Grant, Scopes, read_scopes
from cds_service.chart.wanted import Wanted
from cds_service.egress import Base, Busy, Refused
from cds_service.egress.lanes import CIRCUIT_OPEN
from cds_service.protocol.chart import PartState
from cds_service.protocol.errors import WrongPatient
from cds_service.protocol.request import HookRequest
from cds_service.protocol.service import PrefetchItem
from cds_service.values import dataclass

_REFERENCED = "(referenced)"
"""The key under which resources come that others refer to."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A request with its check, and what was added to both from the FHIR server."""

    request: HookRequest
    check: SubjectCheck

    def with_keys(self, wanted: Iterable[Wanted]) -> Gathered:
        """The same with what was read for some keys; raises WrongPatient."""
        raw: dict[str, object] = {}
        fetched: dict[str, object] = {}
        values: dict[str, PrefetchValue] = {}
        for one in wanted:
            values[one.key] = one.value(ABSENT)
            if one.has_data:
                raw[one.key], fetched[one.key] = one.received, one.fetched
        return self._with(raw, fetched, values)

    def with_referenced(self, wanted: Iterable[Wanted]) -> Gathered:
        """The same with resources that others refer to; raises WrongPatient."""
        found = [one.resource for one in wanted if one.resource is not None]
        if not found or _REFERENCED in self.request.prefetch:
            return self
        received = (Received(one, str(one["resourceType"]), None, False) for one in found)
        value = PrefetchValue.of(PartState.COMPLETE, received)
        raw = {_REFERENCED: {"resourceType": "Bundle", "entry": [{"resource": r} for r in found]}}
        return self._with(raw, raw, {_REFERENCED: value})

    def _with(
        self,
        raw: Mapping[str, object],
        fetched: Mapping[str, object],
        values: Mapping[str, PrefetchValue],
    ) -> Gathered:
        request, check = self.request, self.check
        new = replace(request, prefetch=fetched, draft_orders={}, fhir_authorization=None)
        try:
            gate = check_subjects(new)
        except WrongPatient as error:
            places = (place.replace("$.prefetch", "fhirServer", 1) for place in error.places)
            raise WrongPatient(tuple(places)) from None
        return Gathered(
            replace(request, prefetch={**request.prefetch, **raw}),
            SubjectCheck({**check.unmatched, **gate.unmatched}, {**check.values, **values}),
        )


def gather(
    request: HookRequest,
    items: tuple[PrefetchItem, ...],
    check: SubjectCheck,
    access: FhirAccess | None,
) -> Gathered:
    """The request and its check with what the FHIR server adds; raises WrongPatient.

    Read are keys that did not come (and whose type came under no other key either), the further
    pages of those that came in part, and resources that others refer to. What cannot be read
    before the deadline keeps its reason. What came with the request stays: of two copies of a
    resource the newer counts, and the one of the request when they are equally new.
    """
    given = Gathered(request, check)
    token = request.fhir_authorization
    if access is None or request.fhir_server is None or token is None:
        return given
    missing = missing_items(request, items, check)
    try:
        source = _source(request.fhir_server, token, access)
    except Refused as error:
        access.count(Outcome.NOT_ALLOWED)
        return given.with_keys(
            Wanted(item.key, item.resource_type, "", refused=error.reason) for item in missing
        )
    wanted = [
        *(source.whole(item, request.patient_id) for item in missing),
        *source.further_pages(request, items, check),
    ]
    more = unresolved(request, items, check, source.base)
    if not more and all(one.refused for one in wanted):
        return given.with_keys(wanted)
    try:
        lane = access.lanes.enter(source.base.url)
    except Busy as error:
        access.count(Outcome.CIRCUIT if error.reason == CIRCUIT_OPEN else Outcome.BULKHEAD)
        for one in wanted:
            one.refused = error.reason
        return given.with_keys(wanted)
    with lane:
        fetching = Fetching(Reader(access, source.base, str(token["access_token"])))
        fetching.run(wanted)
        gathered = given.with_keys(wanted)
        referenced = source.referenced(
            unresolved(gathered.request, items, gathered.check, source.base)
        )
        fetching.run(referenced)
        lane.report(not fetching.had_trouble)
    return gathered.with_referenced(referenced)


@dataclass(frozen=True, slots=True)
class _Source:
    """The FHIR server of one call, with what its token is granted."""

    base: Base
    scopes: Scopes
    access: FhirAccess

    def whole(self, item: PrefetchItem, patient_id: str) -> Wanted:
        """Everything that a key should have brought."""
        kind, search = item.resource_type, is_search(item)
        url = address_of(self.base.url, item, patient_id, self.access.dialect)
        return self._granted(Wanted(item.key, kind, url, search))

    def further_pages(
        self, request: HookRequest, items: tuple[PrefetchItem, ...], check: SubjectCheck
    ) -> Iterator[Wanted]:
        """What is still to come of search results whose first page came with the request."""
        published = {item.key: item.resource_type for item in items}
        for key, value in check.values.items():
            if value.state is not PartState.PARTIAL or value.reason != PAGED:
                continue
            kind = published.get(key) or next(iter(value.types), "")
            bundle: Any = request.prefetch[key]
            pages = Pages([bundle], own=1)
            url = pages.next_address(self.base, f"{self.base.url}/")
            wanted = Wanted(key, kind, url or "", pages=pages, refused=pages.stopped)
            yield self._granted(wanted)

    def referenced(self, found: Iterable[tuple[str, str]]) -> list[Wanted]:
        """Single resources by type and address."""
        wanted = (Wanted("", kind, url, search=False) for kind, url in found)
        return [one for one in map(self._granted, wanted) if one.refused is None]

    def _granted(self, wanted: Wanted) -> Wanted:
        """The same, refused where the token or the server does not offer it."""
        kind = wanted.resource_type
        grant = self.scopes.search(kind) if wanted.search else self.scopes.read(kind)
        if grant is Grant.NONE:
            wanted.refused = "scope not granted"
        elif kind in self.access.dialect.not_offered:
            wanted.refused = "not offered by this FHIR server"
        elif grant is Grant.RESTRICTED:
            wanted.restricted = "scope granted for some resources only"
        return wanted


def _source(server: str, token: Mapping[str, Any], access: FhirAccess) -> _Source:
    """Where to read, with the token of this request; raises Refused when it must not be used."""
    base = access.policy.base_for(server)
    if str(token["token_type"]).lower() != "bearer":
        raise Refused("the access token is no bearer token")
    if token["expires_in"] <= 0:
        raise Refused("the access token has expired")
    return _Source(base, read_scopes(str(token["scope"])), access)

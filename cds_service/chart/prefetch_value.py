"""One prefetch value, read for itself: what came, and whether that is all there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain
from operator import itemgetter
from typing import Any

from cds_service.chart.walk import Found, listed
from cds_service.protocol.chart import PartState, Resource
from cds_service.values import dataclass

NOT_FHIR = "not a FHIR resource"
SINGLE = "a single resource, not a search result"
PAGED = "paged"

_ISSUE_CODE = re.compile(r"[a-z]+(-[a-z]+)*")
_NO_RESOURCE = frozenset({"", "Bundle"})
_OTHERS = _NO_RESOURCE | {"OperationOutcome"}
_HARMLESS = ("warning", "information", "success")
_TEXT = frozenset({str})
_WHOLE = (int, float)


@dataclass(frozen=True, slots=True)
class Received:
    """A resource as it came, with the raw fullUrl of its entry, and whether it is a match."""

    resource: Resource
    resource_type: str
    full_url: object = None
    is_match: bool = True
    position: int | None = None

    def found(self, key: str) -> Found:
        """The resource with its place in the request."""
        url = self.full_url if isinstance(self.full_url, str) else None
        return Found(self.resource, ("prefetch", key), self.position, url)


@dataclass(frozen=True, slots=True)
class PrefetchValue:
    """What one prefetch key holds.

    `state` is that of the query behind the key. `resources` are all that came, as matches or along
    with one, and `types` theirs; `broken` lists the entries (from 1) that are no resources.
    """

    state: PartState
    reason: str | None = None
    resources: tuple[Resource, ...] = ()
    types: Set[str] = frozenset()
    broken: tuple[int, ...] = ()
    _received: tuple[Received, ...] | None = ()
    _entries: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(
        cls,
        state: PartState,
        received: Iterable[Received],
        reason: str | None = None,
        broken: tuple[int, ...] = (),
    ) -> PrefetchValue:
        """A value that holds these."""
        received = tuple(received)
        types = {item.resource_type for item in received}
        resources = tuple(item.resource for item in received)
        return cls(state, reason, resources, types, broken, received)

    @property
    def received(self) -> tuple[Received, ...]:
        """The resources as they came; of an ordinary Bundle put together only when asked for."""
        if self._received is not None:
            return self._received
        return tuple(
            Received(resource, resource["resourceType"], entry.get("fullUrl"), True, position)
            for position, (entry, resource) in enumerate(
                zip(self._entries, self.resources, strict=True)
            )
        )

    @property
    def is_odd(self) -> bool:
        """Whether more may be in the value than what was received; never in an ordinary Bundle."""
        return self._received is not None and (bool(self.broken) or not self.resources)

    def answers(self, resource_type: str) -> bool:
        """Whether a resource of this type was searched for, not only included."""
        return any(item.is_match and item.resource_type == resource_type for item in self.received)


def read_value(value: object) -> PrefetchValue:
    """The states of CDS Hooks kept apart: nothing found, not all, not readable."""
    if not isinstance(value, dict):
        return PrefetchValue(PartState.EMPTY) if value is None else _unread(NOT_FHIR)
    kind = value.get("resourceType")
    if kind == "Bundle":
        return _read_bundle(value)
    if not isinstance(kind, str) or not kind:
        return _unread(NOT_FHIR)
    if kind == "OperationOutcome":
        return _unread(f"OperationOutcome: {_code(listed(value.get('issue')))}")
    return PrefetchValue.of(PartState.PARTIAL, (Received(value, kind),), SINGLE)


def _read_bundle(bundle: Mapping[str, Any]) -> PrefetchValue:
    entries = bundle.get("entry")
    if entries is not None and not isinstance(entries, list):
        return _unread(NOT_FHIR)
    return _read_ordinary(bundle, entries or ()) or _read_any(bundle, entries or ())


_RESOURCE, _TYPE = itemgetter("resource"), itemgetter("resourceType")
_SEARCH, _MODE = itemgetter("search"), itemgetter("mode")


def _read_ordinary(
    bundle: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> PrefetchValue | None:
    """The value of a Bundle whose entries all hold a resource that was searched for, else None.

    Requests hold hundreds of entries: here they are read a column at a time.
    """
    try:
        resources = tuple(map(_RESOURCE, entries))
        types = set(map(_TYPE, resources))
        has_modes = "search" in chain.from_iterable(entries)
        if has_modes and set(map(_MODE, map(_SEARCH, entries))) != {"match"}:
            return None
    except (KeyError, TypeError):  # one holds something else
        return None
    if not (_TEXT.issuperset(map(type, types)) and _OTHERS.isdisjoint(types)):
        return None
    reason = _shortfall(bundle, len(resources))
    state = PartState.COMPLETE if resources else PartState.EMPTY
    return PrefetchValue(
        PartState.PARTIAL if reason else state, reason, resources, types, (), None, entries
    )


def _read_any(bundle: Mapping[str, Any], entries: Iterable[Any]) -> PrefetchValue:
    """The value of any Bundle, entry by entry."""
    received: list[Received] = []
    broken: list[int] = []
    failure: str | None = None
    matches = 0
    for position, entry in enumerate(entries, start=1):
        resource: Any = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or kind in _NO_RESOURCE:
            broken.append(position)
            matches += 1
        elif kind == "OperationOutcome":
            failure = failure or _failure(resource)
        else:
            is_match = _mode(entry) in (None, "match")
            matches += is_match
            received.append(Received(resource, kind, entry.get("fullUrl"), is_match, position - 1))
    if failure and not received:
        return PrefetchValue(PartState.UNREAD, failure, broken=tuple(broken))
    reason = _shortfall(bundle, matches) or failure
    if broken:
        reason = reason or "an entry was not readable"
    state = PartState.COMPLETE if received else PartState.EMPTY
    return PrefetchValue.of(PartState.PARTIAL if reason else state, received, reason, tuple(broken))


def _shortfall(bundle: Mapping[str, Any], matches: int) -> str | None:
    """Why a Bundle is not the whole result, by what it says of itself."""
    links, total = bundle.get("link"), bundle.get("total")
    for link in listed(links):
        if isinstance(link, dict) and link.get("relation") == "next":
            return PAGED
    if links and not are_links(links):
        return "links not readable"
    if total is not None and type(total) not in _WHOLE:
        return "total not readable"
    if total is not None and total > matches:
        return f"total says {total}"
    return None


def are_links(links: object) -> bool:
    """Whether each of a Bundle's links says what it is; one that does not may be the next page."""
    return isinstance(links, list) and all(
        isinstance(link, dict) and isinstance(link.get("relation"), str) for link in links
    )


def _mode(entry: Mapping[str, Any]) -> object:
    search = entry.get("search")
    return search.get("mode") if isinstance(search, dict) else None


def _failure(outcome: Mapping[str, Any]) -> str | None:
    """The error in an OperationOutcome, or what may be one; the rest is harmless beside data."""
    issues = outcome.get("issue") or []
    failed = [
        issue
        for issue in (issues if isinstance(issues, list) else [issues])
        if not isinstance(issue, dict) or issue.get("severity") not in _HARMLESS
    ]
    return f"OperationOutcome: {_code(failed)}" if failed else None


def _code(issues: list[Any]) -> str:
    """The first issue code, if it looks like one."""
    for issue in issues:
        code = issue.get("code") if isinstance(issue, dict) else None
        if isinstance(code, str) and len(code) <= 40 and _ISSUE_CODE.fullmatch(code):
            return code
    return "no code"


def _unread(reason: str) -> PrefetchValue:
    return PrefetchValue(PartState.UNREAD, reason)

"""One prefetch value, read for itself: what came, and whether that is all there is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from cds_service.chart.walk import Found, listed
from cds_service.protocol.chart import PartState, Resource
from cds_service.values import dataclass

NOT_FHIR = "not a FHIR resource"
SINGLE = "a single resource, not a search result"
PAGED = "paged"

_ISSUE_CODE = re.compile(r"[a-z]+(-[a-z]+)*")
_NO_RESOURCE = frozenset({"", "Bundle"})
_FAILED = ("error", "fatal")


class Received(NamedTuple):
    """A resource as it came, with the raw fullUrl of its entry, and whether it is a match.

    A named tuple because there are thousands in a large request.
    """

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

    `state` is that of the query behind the key; `broken` lists the entries (from 1) that are no
    resources; `types` are those of all that came, as matches or along with one.
    """

    state: PartState
    reason: str | None = None
    received: tuple[Received, ...] = ()
    broken: tuple[int, ...] = ()
    types: Set[str] = frozenset()

    @property
    def is_odd(self) -> bool:
        """Whether more may be in the value than what was received from it."""
        return bool(self.broken) or not self.received

    def answers(self, resource_type: str) -> bool:
        """Whether a resource of this type was searched for, not only included."""
        return any(item.is_match and item.resource_type == resource_type for item in self.received)


def read_value(value: object) -> PrefetchValue:
    """The states of CDS Hooks kept apart: nothing found, not all, not readable."""
    if value is None:
        return PrefetchValue(PartState.EMPTY)
    kind = _type_of(value)
    if not isinstance(value, dict) or kind is None:
        return _unread(NOT_FHIR)
    if kind == "OperationOutcome":
        return _unread(f"OperationOutcome: {_code(listed(value.get('issue')))}")
    if kind == "Bundle":
        return _read_bundle(value)
    return PrefetchValue(PartState.PARTIAL, SINGLE, (Received(value, kind),), types={kind})


def _read_bundle(bundle: Mapping[str, Any]) -> PrefetchValue:
    entries = bundle.get("entry")
    if entries is not None and not isinstance(entries, list):
        return _unread(NOT_FHIR)
    received: list[Received] = []
    broken: list[int] = []
    types: set[str] = set()
    failure: str | None = None
    matches = 0
    for position, entry in enumerate(entries or (), start=1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            broken.append(position)
            matches += 1
            continue
        kind = resource.get("resourceType")
        if not isinstance(kind, str) or kind in _NO_RESOURCE:
            broken.append(position)
            matches += 1
        elif kind == "OperationOutcome":
            failure = failure or _failure(resource)
        else:
            is_match = "search" not in entry or _mode(entry) in (None, "match")
            matches += is_match
            types.add(kind)
            received.append(Received(resource, kind, entry.get("fullUrl"), is_match, position - 1))
    if failure and not received:
        return PrefetchValue(PartState.UNREAD, failure, (), tuple(broken))
    reason = _shortfall(bundle, matches) or failure
    if broken:
        reason = reason or "an entry was not readable"
    state = PartState.COMPLETE if received else PartState.EMPTY
    return PrefetchValue(
        PartState.PARTIAL if reason else state,
        reason,
        tuple(received),
        tuple(broken),
        types,
    )


def _shortfall(bundle: Mapping[str, Any], matches: int) -> str | None:
    """Why a Bundle is not the whole result, by what it says of itself."""
    for link in listed(bundle.get("link")):
        if isinstance(link, dict) and link.get("relation") == "next":
            return PAGED
    total = bundle.get("total")
    if isinstance(total, int) and not isinstance(total, bool) and total > matches:
        return f"total says {total}"
    return None


def _mode(entry: Mapping[str, Any]) -> object:
    search = entry.get("search")
    return search.get("mode") if isinstance(search, dict) else None


def _failure(outcome: Mapping[str, Any]) -> str | None:
    """The error in an OperationOutcome; warnings and information are harmless beside data."""
    failed = [
        issue
        for issue in listed(outcome.get("issue"))
        if isinstance(issue, dict) and issue.get("severity") in _FAILED
    ]
    return f"OperationOutcome: {_code(failed)}" if failed else None


def _code(issues: list[Any]) -> str:
    """The first issue code, if it looks like one."""
    for issue in issues:
        code = issue.get("code") if isinstance(issue, dict) else None
        if isinstance(code, str) and len(code) <= 40 and _ISSUE_CODE.fullmatch(code):
            return code
    return "no code"


def _type_of(value: object) -> str | None:
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind else None


def _unread(reason: str) -> PrefetchValue:
    return PrefetchValue(PartState.UNREAD, reason)

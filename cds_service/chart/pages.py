"""The pages of one search: one after the other, never elsewhere, never without end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any
from urllib.parse import urljoin

from cds_service.chart.prefetch_value import PrefetchValue, are_links, read_value
from cds_service.chart.walk import listed
from cds_service.egress import Base
from cds_service.protocol.chart import PartState
from cds_service.values import dataclass

MAX_PAGES = 5
MAX_ENTRIES = 2000
"""Pages and entries of one search that are read; more leave it incomplete, and say so."""


@dataclass(slots=True)
class Pages:
    """What was read so far of one search; `own` pages came with the request."""

    bundles: list[Mapping[str, Any]] = field(default_factory=list)
    own: int = 0
    stopped: str | None = None
    visited: set[str] = field(default_factory=set)

    def add(self, bundle: Mapping[str, Any], url: str) -> None:
        """One more page, read from an address; what is past the limit of entries is cut off."""
        entries = listed(bundle.get("entry"))
        room = max(0, MAX_ENTRIES - self._entries())
        if len(entries) > room:
            bundle = {**bundle, "entry": entries[:room]}
            self.stopped = f"more than {MAX_ENTRIES} entries"
        self.bundles.append(bundle)
        self.visited.add(url)

    def next_address(self, base: Base, url: str) -> str | None:
        """Where the next page is; None at the end, or when it must not be read."""
        link = next_link(self.bundles[-1])
        if link is None or self.stopped is not None:
            return None
        try:
            address = urljoin(url, link)
        except ValueError:  # brackets that hold no address
            address = ""
        if len(self.bundles) >= MAX_PAGES:
            self.stopped = f"more than {MAX_PAGES} pages"
        elif not link or not base.covers(address):
            self.stopped = "next page is elsewhere"
        elif address in self.visited:
            self.stopped = "pages go round in a circle"
        else:
            return address
        return None

    def _entries(self) -> int:
        return sum(len(listed(bundle.get("entry"))) for bundle in self.bundles)

    def merged(self) -> dict[str, Any]:
        """All pages as one search result."""
        return _one_bundle(self.bundles)

    def fetched(self) -> dict[str, Any]:
        """The pages that did not come with the request, as one search result."""
        return _one_bundle(self.bundles[self.own :])

    def value(self, shortfall: str | None) -> PrefetchValue:
        """What all pages hold; `shortfall` says why they are not everything."""
        value = read_value(self.merged())
        if shortfall is None or value.state is PartState.UNREAD:
            return value
        return replace(value, state=PartState.PARTIAL, reason=shortfall)


def next_link(bundle: Mapping[str, Any]) -> str | None:
    """The address of the next page as it stands there; empty when it, or whether, is not told."""
    links = bundle.get("link")
    for link in listed(links):
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return "" if links and not are_links(links) else None


def _one_bundle(bundles: list[Mapping[str, Any]]) -> dict[str, Any]:
    entries = [entry for bundle in bundles for entry in listed(bundle.get("entry"))]
    merged: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    if bundles and "total" in bundles[0]:
        merged["total"] = bundles[0]["total"]
    return merged

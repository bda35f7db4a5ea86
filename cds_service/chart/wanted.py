"""What one prefetch key lacks, and what the FHIR server gave for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from cds_service.chart.pages import Pages
from cds_service.chart.prefetch_value import PAGED, PrefetchValue, read_value
from cds_service.egress import Base
from cds_service.protocol.chart import PartState
from cds_service.values import dataclass

TIMED_OUT = "timed out"


@dataclass(slots=True)
class Wanted:
    """One key whose data are to be read, beginning at an address.

    `search` tells a search result from a single resource. `refused` says why nothing is asked at
    all, `restricted` why what comes is not everything. `reason` is why reading ended early.
    """

    key: str
    resource_type: str
    url: str
    search: bool = True
    refused: str | None = None
    restricted: str | None = None
    pages: Pages = field(default_factory=Pages)
    resource: Mapping[str, Any] | None = None
    reason: str | None = TIMED_OUT

    def take(self, document: Mapping[str, Any], url: str, base: Base) -> str | None:
        """Takes one answer; returns the address of the next page, None when this was all."""
        kind = document.get("resourceType")
        self.reason = None
        if kind == "OperationOutcome":
            self.reason = read_value(document).reason
        elif self.search and kind == "Bundle":
            self.pages.add(document, url)
            following = self.pages.next_address(base, url)
            self.reason = TIMED_OUT if following else self.pages.stopped
            return following
        elif not self.search and kind == self.resource_type:
            self.resource = document
        else:
            self.reason = "answered with something else"
        return None

    @property
    def has_data(self) -> bool:
        """Whether anything came, with the request or from the server."""
        return self.resource is not None or bool(self.pages.bundles)

    @property
    def received(self) -> object:
        """What stands for the key from now on, as if it had come with the request."""
        return self.resource if self.resource is not None else self.pages.merged()

    @property
    def fetched(self) -> object:
        """That part of it which did not come with the request."""
        return self.resource if self.resource is not None else self.pages.fetched()

    def value(self, absent: str) -> PrefetchValue:
        """What the key holds now; `absent` begins the reason when nothing came at all."""
        why = self.refused or (f"FHIR server: {self.reason}" if self.reason else None)
        if self.resource is not None:
            return read_value(self.resource)
        if not self.pages.bundles:
            return PrefetchValue(PartState.UNREAD, f"{absent}, {why}")
        if self.pages.own:
            return self.pages.value(f"{PAGED}, {why}" if why else self.restricted)
        return self.pages.value(why or self.restricted)

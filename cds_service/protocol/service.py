"""The contract between the server and a decision service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from cds_service.protocol.advice import Assessment, Selection
from cds_service.protocol.chart import Chart
from cds_service.protocol.orders import Order
from cds_service.protocol.picture import Picture
from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class PrefetchItem:
    """One prefetch key: the FHIR query it is published with and the resource type it answers.

    `references` are elements of those resources whose targets are needed too, each with the type
    of the target: where they did not come along, they are read from the FHIR server.
    """

    key: str
    query: str
    resource_type: str
    references: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A synthetic patient with an order, and what the service makes of it at a date.

    `request` is a whole hook request with prefetch. `expected` is a part of the explanation's
    first order (study, scenario, rating, timing, indicator ...): what must be found there.
    """

    name: str
    title: str
    request: Mapping[str, Any]
    as_of: date
    expected: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A decision service: pure functions of (orders, chart, settings, as_of) and its description.

    `read_settings` turns the service's block of the registry, already valid against
    `settings_schema`, into the value handed to `select` and `evaluate`; it raises ValueError with
    the place and the remedy. `evaluate` raises ChartNotReadable when nothing can be answered.
    """

    id: str
    title: str
    description: str
    usage_requirements: str
    hooks: tuple[str, ...]
    ruleset: str
    prefetch: tuple[PrefetchItem, ...]
    settings_schema: Mapping[str, Any]
    read_settings: Callable[[Mapping[str, Any]], Any]
    select: Callable[[tuple[Order, ...], Any], Selection]
    evaluate: Callable[[Selection, Chart, Any, date], Assessment]
    orderables: Callable[[Any], Mapping[str, Any]]
    """Settings → the client's own code by study, applied to proposals by the profile."""
    warm_up: Callable[[], None]
    """Loads what the first answer would otherwise load, before workers fork."""
    warnings: Callable[[Any], tuple[str, ...]]
    """What `cds-service check` should tell about a settings block: duplicate, unmapped codes."""
    about: Callable[[], Mapping[str, Any]] = dict
    """Everything the service knows as plain data: rules, ratings, thresholds, sources.

    `rules` lists them in the order in which they are tried, each with `id` and `meaning`.
    """
    examples: Callable[[], tuple[Example, ...]] = tuple
    """Cases to show the service with, and to try it with while it runs."""
    about_markdown: Callable[[], str] = str
    """The same as a page for people."""
    series: Callable[[Chart, Any, date], Picture | None] = lambda chart, settings, as_of: None
    """The patient's history for a picture; None where there is nothing to show."""

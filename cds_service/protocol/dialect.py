"""How one client's FHIR server wants to be asked: data, so that no reader knows a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is added to a search, and what is not asked at all.

    `page_size` becomes `_count`, None leaves it out. `parameters` are more parameters by resource
    type, such as a category that the server demands. `not_offered` are types that the server does
    not have.
    """

    page_size: int | None = 100
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    not_offered: frozenset[str] = frozenset()

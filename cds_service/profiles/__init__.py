"""Advice → cards, in the dialect that a client understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cds_service.profiles import standard
from cds_service.profiles.dialects import DIALECTS
from cds_service.protocol.advice import Advice
from cds_service.protocol.orders import Order

__all__ = ["DIALECTS", "PROFILES", "Render"]


class Render(Protocol):
    """What a profile is: a pure function from advice to cards."""

    def __call__(
        self,
        advices: tuple[Advice, ...],
        *,
        client_name: str,
        hook_instance: str,
        uuid_key: bytes,
        orderables: Mapping[str, Any],
        orders: tuple[Order, ...],
        ruleset: str,
    ) -> list[dict[str, Any]]:
        """The cards, in the order of the advice."""


PROFILES: dict[str, Render] = {"standard": standard.render}

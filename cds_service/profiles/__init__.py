"""Advice → cards, in the dialect that a client understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cds_service.profiles import epic, sandbox, standard
from cds_service.profiles.dialects import DIALECTS
from cds_service.protocol.advice import Advice
from cds_service.protocol.orders import Order

__all__ = ["DIALECTS", "EXTENSIONS", "PROFILES", "Extend", "Render", "response_of"]


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
        about_url: str | None = None,
    ) -> list[dict[str, Any]]:
        """The cards, in the order of the advice."""


class Extend(Protocol):
    """What a client reads beside the cards, if anything."""

    def __call__(self, advices: tuple[Advice, ...], orders: tuple[Order, ...]) -> dict[str, Any]:
        """The `extension` of the response; empty when there is none."""


PROFILES: dict[str, Render] = {
    "standard": standard.render,
    "epic": epic.render,
    "sandbox": sandbox.render,
}

EXTENSIONS: dict[str, Extend] = {"sandbox": sandbox.extension}
"""Only for clients that read more than cards."""


def response_of(
    profile: str,
    cards: list[dict[str, Any]],
    advices: tuple[Advice, ...],
    orders: tuple[Order, ...],
) -> dict[str, Any]:
    """The response that carries the cards, with what else the client reads."""
    extend = EXTENSIONS.get(profile)
    extension = extend(advices, orders) if extend else {}
    return {"cards": cards, "extension": extension} if extension else {"cards": cards}

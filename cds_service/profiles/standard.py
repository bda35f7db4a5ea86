"""The standard profile: cards as CDS Hooks 2.0.1 describes them, one `update` per replacement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.profiles.cards import EXTENSION, cards_of, shortened
from cds_service.profiles.suggestions import Drafts, suggestions_of
from cds_service.protocol.advice import Advice
from cds_service.protocol.orders import Order

__all__ = ["EXTENSION", "render", "shortened"]


def render(
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
    """One card for each advice that has an indicator, in the same order.

    `orders` are all drafts of the request: suggestions touch nothing else, and their codes say
    which code systems the client uses.
    """
    drafts = Drafts(orders)
    return cards_of(
        advices,
        lambda advice: suggestions_of(advice, drafts, orderables),
        client_name=client_name,
        hook_instance=hook_instance,
        uuid_key=uuid_key,
        ruleset=ruleset,
        about_url=about_url,
    )

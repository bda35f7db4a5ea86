"""Requests that a client sends without the orders they are about, which is no error of its own."""

from __future__ import annotations

from collections.abc import Mapping

REASON = "draft-orders-stripped"
"""Under which such a call is counted."""

_PROFILES = frozenset({"epic"})
"""Epic leaves the orders out when the app lacks the scope for unsigned orders, or when the address
of the service is not the registered one: the site sees it counted, the clinician sees nothing."""

_HOOKS = frozenset({"order-select", "order-sign"})


def is_stripped(profile: str, body: object) -> bool:
    """Whether a call is to be answered without cards since its orders were left out."""
    if profile not in _PROFILES or not isinstance(body, Mapping):
        return False
    hook, context = body.get("hook"), body.get("context")
    is_about_orders = isinstance(hook, str) and hook in _HOOKS
    return is_about_orders and isinstance(context, Mapping) and "draftOrders" not in context

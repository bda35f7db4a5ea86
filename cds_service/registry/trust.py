"""What is wrong with how clients prove who they are, as far as the file alone can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cds_service.registry.client import Client


def trust_problems(place: str, block: Mapping[str, Any]) -> Iterator[str]:
    """Problems of one `trust` block that its schema has accepted."""
    if ("jwks_url" in block) == ("jwks_file" in block):
        yield f"{place}: needs jwks_url or jwks_file, and not both"


def issuer_problems(clients: Iterable[Client]) -> Iterator[str]:
    """Clients whose tokens could not be told apart."""
    seen: dict[str, dict[str | None, str]] = {}
    for client in clients:
        if not client.trust:
            continue
        issuer, tenant = client.trust["issuer"], client.trust.get("tenant")
        others = seen.setdefault(issuer, {})
        if others and (tenant is None or None in others or tenant in others):
            other = others.get(tenant) or next(iter(others.values()))
            yield (
                f"clients.{client.name}.trust: has the issuer of clients.{other}; "
                "give each of them a tenant of its own"
            )
        others[tenant] = client.name

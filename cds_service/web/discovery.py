"""The discovery document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.protocol.service import Service

CDS_HOOKS_VERSION = "2.0.1"


def discovery_document(services: Mapping[str, Service]) -> dict[str, Any]:
    """Every service, listed once for each of its hooks under the same id, its first hook last.

    A client that keeps services by their address keeps the last entry of an id, as the CDS Hooks
    sandbox does: that has to be the hook at which advice can still change the order.
    """
    return {
        "services": [
            _entry(service, hook)
            for service in services.values()
            for hook in reversed(service.hooks)
        ]
    }


def _entry(service: Service, hook: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "hook": hook,
        "title": service.title,
        "description": service.description,
        "id": service.id,
        "prefetch": {item.key: item.query for item in service.prefetch},
        "usageRequirements": service.usage_requirements,
        "version": CDS_HOOKS_VERSION,
    }
    return {name: value for name, value in entry.items() if value}

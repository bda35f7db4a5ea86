"""The decision services that are installed, found through their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

from cds_service.protocol.service import Service

GROUP = "cds_service.hooks"


class DuplicateService(ValueError):
    """Two installed services have one id."""


def load_services() -> dict[str, Service]:
    """Every installed service by id; an entry point is a tuple of services."""
    found: dict[str, Service] = {}
    provider: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda item: (item.name, item.value)):
        for service in entry.load():
            if service.id in found:
                raise DuplicateService(
                    f"service id {service.id} is provided twice in the entry points {GROUP}: "
                    f"by {provider[service.id]} and by {entry.value}; uninstall one of them"
                )
            found[service.id] = service
            provider[service.id] = entry.value
    return found

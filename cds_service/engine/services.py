"""The decision services that are installed, found through their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from cds_service.protocol.service import Service

GROUP = "cds_service.hooks"


class BrokenService(ValueError):
    """An installed service cannot be used; the text says what is wrong with what it knows."""


class DuplicateService(BrokenService):
    """Two installed services have one id."""


def _load(entry: EntryPoint) -> tuple[Service, ...]:
    try:
        services: tuple[Service, ...] = entry.load()
    except ValueError as error:
        raise BrokenService(f"{entry.value}: {error}") from error
    return services


def load_services() -> dict[str, Service]:
    """Every installed service by id; an entry point is a tuple of services.

    Raises DuplicateService, or BrokenService for one whose own knowledge contradicts itself.
    """
    found: dict[str, Service] = {}
    provider: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda item: (item.name, item.value)):
        for service in _load(entry):
            if service.id in found:
                raise DuplicateService(
                    f"service id {service.id} is provided twice in the entry points {GROUP}: "
                    f"by {provider[service.id]} and by {entry.value}; uninstall one of them"
                )
            found[service.id] = service
            provider[service.id] = entry.value
    return found

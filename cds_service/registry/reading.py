"""Reads the registry: syntax, schema, then what a schema cannot say; all problems at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from cds_service.protocol.service import Service
from cds_service.registry.client import DEVELOPMENT, Client, Registry
from cds_service.registry.problems import RegistryError, nearest, schema_problems
from cds_service.registry.trust import issuer_problems, trust_problems

_DEFAULT_PORTS = {"http": 80, "https": 443}


def load(path: Path | None, services: Mapping[str, Service]) -> Registry:
    """The registry of a file, or the built-in one; raises RegistryError with every problem."""
    blocks = _blocks(path) if path else {}
    problems: list[str] = []
    folder = path.parent if path else None
    clients = {
        name: _client(name, block, services, folder, problems)
        for name, block in {DEVELOPMENT: {}, **blocks}.items()
    }
    problems.extend(issuer_problems(clients.values()))
    if problems:
        source = path.name if path else "built-in registry"
        raise RegistryError(tuple(f"{source}: {problem}" for problem in problems))
    return Registry(clients)


@cache
def _schema() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("registry.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _blocks(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        raise RegistryError((f"{path.name}: the file cannot be read",)) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise RegistryError((f"{path.name}: is not valid TOML: {error}",)) from None
    problems = schema_problems(_schema(), document, "")
    if problems:
        raise RegistryError(tuple(f"{path.name}: {text.lstrip('.')}" for text in problems))
    blocks: dict[str, dict[str, Any]] = document.get("clients", {})
    return blocks


def _client(
    name: str,
    block: Mapping[str, Any],
    services: Mapping[str, Service],
    folder: Path | None,
    problems: list[str],
) -> Client:
    place = f"clients.{name}"
    trust = dict(block.get("trust", {}))
    if "trust" in block:
        problems.extend(trust_problems(f"{place}.trust", trust))
    if "jwks_file" in trust and folder is not None:
        trust["jwks_file"] = str(folder / trust["jwks_file"])  # beside the registry itself
    for position, base in enumerate(block.get("fhir_bases", ())):
        problems.extend(_base_problems(f"{place}.fhir_bases[{position}]", base))
    for position, network in enumerate(block.get("fhir_private_networks", ())):
        problems.extend(_network_problems(f"{place}.fhir_private_networks[{position}]", network))
    for position, origin in enumerate(block.get("cors_origins", ())):
        problems.extend(_origin_problems(f"{place}.cors_origins[{position}]", origin))
    return Client(
        name=name,
        profile=block.get("profile", "standard"),
        mode=block.get("mode", "live"),
        deadline_ms=int(block.get("deadline_ms", 2000)),
        time_zone=_zone(f"{place}.time_zone", block.get("time_zone", "UTC"), problems),
        fhir_bases=tuple(block.get("fhir_bases", ())),
        cors_origins=tuple(block.get("cors_origins", ())),
        fhir_private_networks=tuple(block.get("fhir_private_networks", ())),
        fhir_search=block.get("fhir_search", {}),
        trust=trust,
        max_concurrent_calls=block.get("max_concurrent_calls"),
        max_calls_per_minute=block.get("max_calls_per_minute"),
        settings=_settings(f"{place}.services", block.get("services", {}), services, problems),
    )


def _settings(
    place: str,
    blocks: Mapping[str, Mapping[str, Any]],
    services: Mapping[str, Service],
    problems: list[str],
) -> dict[str, Any]:
    problems.extend(
        f"{place}.{name}: no such service is installed; {nearest(name, services)}"
        for name in sorted(blocks.keys() - services.keys())
    )
    read = {}
    for name, service in services.items():
        block = blocks.get(name, {})
        found = schema_problems(service.settings_schema, block, f"{place}.{name}")
        problems.extend(found)
        if not found:
            try:
                read[name] = service.read_settings(block)
            except ValueError as error:
                problems.append(f"{place}.{name}: {error}")
    return read


def _zone(place: str, key: str, problems: list[str]) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):  # unknown, a path, a folder of zones
        problems.append(f"{place}: unknown time zone '{key}'; write it like Europe/Berlin")
        return ZoneInfo("UTC")


def _split(url: str) -> tuple[SplitResult, int | None] | None:
    """An absolute web address and its port, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    plain = url.isascii() and not any(character.isspace() for character in url)
    if not plain or parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts, port


def _base_problems(place: str, base: str) -> list[str]:
    found = _split(base)
    if found is None or "?" in base or "#" in base:
        return [f"{place}: must be the base address of a FHIR server, like https://host/fhir/r4"]
    return []


def _network_problems(place: str, network: str) -> list[str]:
    try:
        ip_network(network)
    except ValueError:
        return [f"{place}: must be a network of addresses, like 10.20.0.0/16"]
    return []


def _origin_problems(place: str, origin: str) -> list[str]:
    remedy = "write it as the browser sends it: scheme://host or scheme://host:port"
    found = _split(origin)
    if found is None or "*" in origin or origin != f"{found[0].scheme}://{found[0].netloc}":
        return [f"{place}: must be one exact origin; {remedy}"]
    parts, port = found
    if origin != origin.lower() or parts.netloc.endswith(":"):
        return [f"{place}: must be one exact origin in small letters; {remedy}"]
    if port == _DEFAULT_PORTS[parts.scheme]:
        return [f"{place}: browsers leave out port {port}; remove it"]
    return []

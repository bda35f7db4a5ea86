"""The analyst's sheet: what hospital IT enters and opens to connect an EHR, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import Any

from cds_service.config import Auth, Settings
from cds_service.egress import Base
from cds_service.protocol.service import Service
from cds_service.registry import DEVELOPMENT, Client, Registry
from cds_service.security import read_trust
from cds_service.web.openapi import openapi_document

STATUSES = {
    200: 'Answered. `{"cards": []}` means that there is nothing to say.',
    400: "The body is not one strict JSON object. Ask the EHR vendor.",
    401: "The token proves nothing here. `cds-service client probe NAME --token …` says why.",
    403: "A page of another site called the console. EHRs never do.",
    404: "No service has this id. Compare the address with this sheet.",
    405: "Wrong method. Hooks are called with POST, discovery with GET.",
    412: "Too little of the chart could be read; each gap is named. Add prefetch keys or scopes.",
    413: "The body is too long. Raise CDS_MAX_BODY_BYTES, or send less history.",
    415: "The body is not announced as application/json.",
    422: "No valid request, or data of another patient; every problem is named with its path.",
    429: "More calls than this client's share. Retry-After says when to call again.",
    500: "A fault of this service. The correlation id in the body finds it in the log.",
    503: "Not ready, or too busy to answer in time. Retry-After says when to call again.",
}
"""What a status means to those who connect the EHR; the order goes on with every one of them."""

EXAMPLE = "fixtures/requests/qus.json"
"""The request that the sheet shows how to send."""


def sheet(
    services: Iterable[Service], registry: Registry, name: str | None, settings: Settings
) -> dict[str, Any]:
    """All there is to enter and to open, for one client or for every client of the registry."""
    chosen = [registry.clients[name]] if name else _clients(registry)
    base = settings.public_url or f"http://{_host(settings)}:{settings.port}"
    services = list(services)
    verified = settings.auth is Auth.REQUIRED
    return {
        "version": metadata.version("bone-density-cds"),
        "address": base,
        "addressIsPublic": settings.public_url is not None,
        "callersAreVerified": verified,
        "services": [_service(service, base, settings) for service in services],
        "statuses": {str(status): meaning for status, meaning in STATUSES.items()},
        "clients": [_client(client, services, base, settings) for client in chosen],
        "tests": _tests(services, base, verified=verified),
    }


def _clients(registry: Registry) -> list[Client]:
    """Those of the file; the built-in one only where there is no other."""
    own = [client for name, client in registry.clients.items() if name != DEVELOPMENT]
    return own or [registry.clients[DEVELOPMENT]]


def _host(settings: Settings) -> str:
    return f"[{settings.host}]" if ":" in settings.host else settings.host


def _service(service: Service, base: str, settings: Settings) -> dict[str, Any]:
    known = service.about()
    return {
        "id": service.id,
        "title": service.title,
        "ruleset": service.ruleset,
        "needs": service.usage_requirements,
        "hooks": list(service.hooks),
        "endpoints": list(_endpoints(service, base, settings)),
        "prefetch": [
            {"key": item.key, "query": item.query, "resourceType": item.resource_type}
            for item in service.prefetch
        ],
        "scopes": scopes(service),
        "topics": known.get("topics"),
        "overrideReasons": known.get("overrideReasons"),
        "links": _links(service, known.get("links"), settings.public_url),
    }


def _links(
    service: Service, stated: list[dict[str, str]] | None, public_url: str | None
) -> list[dict[str, str]] | None:
    """What a service has stated, and its own page, to which cards lead where it is public."""
    if stated is None or public_url is None or not public_url.startswith("https://"):
        return stated
    page = {"label": "The page about this service", "url": f"{public_url}/about/{service.id}"}
    return [*stated, page]


def _endpoints(service: Service, base: str, settings: Settings) -> Iterator[dict[str, str]]:
    """The addresses that an EHR calls, as the OpenAPI document lists them."""
    paths = openapi_document(settings, {service.id: service})["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            if method in ("get", "post") and operation["operationId"] != "openapi":
                yield {
                    "use": operation["summary"],
                    "method": method.upper(),
                    "url": base + path.replace("{id}", service.id),
                }


def scopes(service: Service) -> list[dict[str, Any]]:
    """The SMART scopes that reading what a service needs takes, in both grammars.

    What is searched has to be read too: a page is searched, what it refers to is read.
    """
    uses: dict[str, list[str]] = {}
    searched = {item.resource_type for item in service.prefetch if "?" in item.query}
    for item in service.prefetch:
        uses.setdefault(item.resource_type, []).append(item.key)
        for element, target in item.references:
            uses.setdefault(target, []).append(f"{item.key}.{element}")
    return [
        {
            "resourceType": kind,
            "smart1": f"patient/{kind}.read",
            "smart2": f"patient/{kind}.{'rs' if kind in searched else 'r'}",
            "for": found,
        }
        for kind, found in uses.items()
    ]


def _client(
    client: Client, services: Sequence[Service], base: str, settings: Settings
) -> dict[str, Any]:
    return {
        "name": client.name,
        "profile": client.profile,
        "mode": client.mode,
        "deadlineMs": client.deadline_ms,
        "timeZone": client.time_zone.key,
        "browserOrigins": list(client.cors_origins),
        "token": _token(client, services, settings),
        "egress": list(_egress(client)),
        "privateNetworks": list(client.fhir_private_networks),
        "notAskedFor": list(client.fhir_search.get("not_offered", ())),
        "searchParameters": dict(client.fhir_search.get("parameters", {})),
    }


def _token(
    client: Client, services: Sequence[Service], settings: Settings
) -> dict[str, Any] | None:
    """What the EHR's token has to say; None where nothing is verified."""
    trust = read_trust(client.trust, settings.public_url)
    if trust is None:
        return None
    paths = [f"/cds-services/{service.id}" for service in services]
    audiences = [
        address
        for entry in trust.audiences
        for address in (
            [f"{entry.rstrip('/')}{path}" for path in paths]
            if "://" in entry and "/cds-services" not in entry
            else [entry]
        )
    ]
    found = {
        "issuer": trust.issuer,
        "audiences": audiences,
        "algorithms": list(trust.algorithms),
        "longestLifeS": trust.max_lifetime_s,
        "onceOnly": trust.jti == "enforce",
        "tenant": trust.tenant,
        "subject": trust.subject,
    }
    return {name: value for name, value in found.items() if value is not None}


def _egress(client: Client) -> Iterator[dict[str, Any]]:
    """What a firewall has to let out; nothing else is ever connected to for this client."""
    wanted = [("FHIR server", base) for base in client.fhir_bases]
    if "jwks_url" in client.trust:
        wanted.append(("keys of the issuer", client.trust["jwks_url"]))
    for use, url in wanted:
        base = Base.parse(url)
        if base is not None:  # else `cds-service check` says that it is no address
            yield {"use": use, "host": base.host, "port": base.port, "url": url}


def _tests(services: Sequence[Service], base: str, *, verified: bool) -> list[dict[str, str]]:
    token = ' -H "Authorization: Bearer $TOKEN"' if verified else ""
    found = [{"shows": "the services, without a token", "command": f"curl -s {base}/cds-services"}]
    found += [
        {
            "shows": f"a card of {service.id}" + (", once for each token" if verified else ""),
            "command": f"curl -s {base}/cds-services/{service.id} -H 'Content-Type: "
            f"application/json'{token} --data @{EXAMPLE}",
        }
        for service in services
    ]
    return found

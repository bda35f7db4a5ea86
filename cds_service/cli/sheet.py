"""The analyst's sheet: what hospital IT enters and opens to connect an EHR, as data and a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

_EXAMPLE = "fixtures/requests/qus.json"
_NOT_STATED = "not stated by this service"


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
            f"application/json'{token} --data @{_EXAMPLE}",
        }
        for service in services
    ]
    return found


def sheet_markdown(found: Mapping[str, Any]) -> str:
    """The same as a page to hand over."""
    lines = [f"# Connecting an EHR to {found['address']}", ""]
    lines += [f"Written by `cds-service services --sheet`, version {found['version']}.", ""]
    if not found["addressIsPublic"]:
        lines += ["**CDS_PUBLIC_URL is not set: these addresses are good on this machine only.**"]
        lines += [""]
    for service in found["services"]:
        lines += _service_lines(service)
    lines += ["## What the statuses mean", ""]
    lines += ["Whatever comes, the clinician's order goes on.", ""]
    lines += _table(("status", "meaning"), found["statuses"].items())
    for client in found["clients"]:
        lines += _client_lines(client, verified=found["callersAreVerified"])
    lines += ["## How to test", ""]
    for test in found["tests"]:
        lines += [f"Shows {test['shows']}:", "", *_block("sh", test["command"])]
    lines += [
        f"`{_EXAMPLE}` is in the source archive: a synthetic patient. Recorded requests of your "
        "own are replayed by `cds-service check --client NAME --requests DIR`.",
    ]
    return "\n".join(lines)


def _service_lines(service: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## Service `{service['id']}`", "")
    yield from (f"{service['title']}; rules {service['ruleset']}. {service['needs']}".strip(), "")
    yield from (f"Hooks: {', '.join(f'`{hook}`' for hook in service['hooks'])}.", "")
    yield from ("### Addresses", "")
    yield from _table(
        ("method", "address", "use"),
        ((item["method"], f"`{item['url']}`", item["use"]) for item in service["endpoints"]),
    )
    yield from ("### Prefetch", "")
    for item in service["prefetch"]:
        yield from (f"`{item['key']}` ({item['resourceType']}):", "")
        yield from _block("text", item["query"])
    yield from ("### Scopes", "")
    yield from _table(
        ("resource type", "SMART 1", "SMART 2", "for"),
        (
            (item["resourceType"], f"`{item['smart1']}`", f"`{item['smart2']}`", _list(item["for"]))
            for item in service["scopes"]
        ),
    )
    yield from ("`user/` in the place of `patient/` does as well. Nothing is ever written.", "")
    for title, name in (("Topic codes", "topics"), ("Override reasons", "overrideReasons")):
        yield from (f"### {title}", "")
        yield from _rows(service[name], ("system", "code", "display"))
    yield from ("### Links that cards may carry", "")
    yield from _rows(service["links"], ("label", "url"))


def _client_lines(client: Mapping[str, Any], *, verified: bool) -> Iterator[str]:
    yield from (f"## Client `{client['name']}`", "")
    yield from _table(
        ("setting", "value"),
        (
            ("profile", client["profile"]),
            ("mode", client["mode"]),
            ("answers within", f"{client['deadlineMs']} ms; let the EHR wait longer"),
            ("time zone", client["timeZone"]),
            ("browser origins", _list(client["browserOrigins"]) or "none"),
        ),
    )
    yield from ("### Token", "")
    token = client["token"]
    if token is None:
        words = (
            "No trust block: its calls are refused." if verified else "Callers are not verified."
        )
        yield from (words, "")
    else:
        named = [("iss", "issuer"), ("aud, one of", "audiences"), ("alg, one of", "algorithms")]
        named += [("tenant", "tenant"), ("sub", "subject")]
        rows = [(claim, _list(_many(token[name]))) for claim, name in named if name in token]
        rows += [("exp", f"at most {token['longestLifeS']} s after iat")]
        if token["onceOnly"]:
            rows += [("jti", "a new one in every token; each is good for one call")]
        yield from _table(("claim", "value"), rows)
    yield from ("### Firewall, outgoing", "")
    if client["egress"]:
        yield from _table(
            ("host", "port", "use", "address"),
            (
                (item["host"], str(item["port"]), item["use"], f"`{item['url']}`")
                for item in client["egress"]
            ),
        )
    else:
        yield from ("Nothing: no connection leaves this machine for this client.", "")
    if client["privateNetworks"]:
        yield from (f"Its addresses may lie in {_list(client['privateNetworks'])}.", "")
    if client["notAskedFor"]:
        yield from (f"Its server is not asked for {_list(client['notAskedFor'])}.", "")
    for kind, parameters in client["searchParameters"].items():
        added = "&".join(f"{name}={value}" for name, value in parameters.items())
        yield from (f"Searches of {kind} on its server add `{added}`.", "")


def _rows(items: Sequence[Mapping[str, str]] | None, names: tuple[str, ...]) -> list[str]:
    """A table of what a service has stated; None and nothing are told apart."""
    if not items:
        return [f"{_NOT_STATED if items is None else 'none'}".capitalize() + ".", ""]
    return _table(names, (tuple(f"`{item[name]}`" for name in names) for item in items))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A Markdown table; a stroke inside a cell would end it."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines
    ] + [""]


def _block(language: str, text: str) -> list[str]:
    return [f"```{language}", text, "```", ""]


def _many(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _list(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)

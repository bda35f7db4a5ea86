"""The analyst's sheet as a page to hand over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cds_service.cli.sheet import EXAMPLE

_NOT_STATED = "not stated by this service"


def sheet_markdown(found: Mapping[str, Any]) -> str:
    """The sheet as one page."""
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
        f"`{EXAMPLE}` is in the source archive: a synthetic patient. Recorded requests of your "
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

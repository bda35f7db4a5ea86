"""A plain HTTP client for tests of FHIR servers: no redirects, no retries, no pooling."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from builders import PATIENT_ID
from fhir_faulty import FaultyServer

SEARCH = f"Observation?patient={PATIENT_ID}"


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers and bytes as they came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def next(self) -> str | None:
        """The address of the next page."""
        links = {link["relation"]: link["url"] for link in self.json.get("link", ())}
        return links.get("next")

    @property
    def ids(self) -> list[str]:
        """The ids of the matches, outcomes left out."""
        found = [entry["resource"] for entry in self.json.get("entry", ())]
        return [item["id"] for item in found if item["resourceType"] != "OperationOutcome"]


def get(
    url: str,
    token: str | None = None,
    *,
    timeout_s: float = 10,
    form: str | None = None,
    trust: ssl.SSLContext | None = None,
) -> Reply:
    """One GET, or a POST of a form, on a connection of its own."""
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout_s, context=trust)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    with closing(connection):
        connection.request("GET" if form is None else "POST", target, form, headers)
        response = connection.getresponse()
        return Reply(response.status, dict(response.headers.items()), response.read())


def ask(server: FaultyServer, kind: str, path: str = SEARCH, **more: Any) -> Reply:
    """One request under a kind of the faulty server."""
    return get(f"{server.base(kind)}/{path}", **more)


def all_pages(url: str, token: str | None = None, *, most: int = 500) -> list[Reply]:
    """The pages of a search in their order."""
    pages = [get(url, token)]
    while (following := pages[-1].next) and len(pages) < most:
        pages.append(get(following, token))
    return pages

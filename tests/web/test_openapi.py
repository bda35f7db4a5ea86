"""The OpenAPI document says what the application does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from cds_service.config import Mode

DOUBLED_SLASH = "/cds-services//{}"


@pytest.fixture
def document(make_app: Callable[..., Flask]) -> Any:
    """The document of an application around the fake service."""
    return make_app().test_client().get("/openapi.json").get_json()


def references(node: object) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            yield target
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_is_valid_openapi(document: Any) -> None:
    """The document is OpenAPI 3.1."""
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_is_self_contained(document: Any) -> None:
    """Every reference leads to a place in the document itself."""
    for reference in set(references(document)):
        place = document
        assert reference.startswith("#/"), reference
        for step in reference[2:].split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]


def test_covers_every_route(make_app: Callable[..., Flask], document: Any) -> None:
    """Every route and method of the application is described, and nothing else."""
    routes = {
        (re.sub(r"<[^>]*>", "{}", rule.rule), method)
        for rule in make_app().url_map.iter_rules()
        if rule.endpoint.rpartition(".")[2] != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (re.sub(r"\{[^}]*\}", "{}", path), method.upper())
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert described == {route for route in routes if not route[0].startswith(DOUBLED_SLASH)}


def test_follows_the_switches(make_app: Callable[..., Flask]) -> None:
    """What is switched off is not described; the public address and the services are."""
    app = make_app(
        explain_enabled=False, console_enabled=False, public_url="https://cds.example.org/x"
    )
    document: Any = app.test_client().get("/openapi.json").get_json()
    assert "/metrics" in document["paths"]
    production: Any = make_app(mode=Mode.PRODUCTION).test_client().get("/openapi.json").get_json()
    assert "/metrics" not in production["paths"]
    assert not {"/explain/{id}", "/console/{id}", "/"} & document["paths"].keys()
    assert document["servers"] == [{"url": "https://cds.example.org/x"}]
    assert document["components"]["parameters"]["ServiceId"]["schema"]["enum"] == ["fake-service"]


@pytest.mark.parametrize(
    ("method", "url", "path", "content_type", "body"),
    [
        ("get", "/cds-services", "/cds-services", None, b""),
        ("get", "/livez", "/livez", None, b""),
        ("get", "/readyz", "/readyz", None, b""),
        ("get", "/openapi.json", "/openapi.json", None, b""),
        ("post", "/cds-services/x", "/cds-services/{id}", "application/json", b"{}"),
        ("post", "/cds-services/fake-service", "/cds-services/{id}", "text/plain", b"{}"),
        ("post", "/cds-services/fake-service", "/cds-services/{id}", "application/json", b"{"),
        ("post", "/cds-services/fake-service", "/cds-services/{id}", "application/json", b"{}"),
        ("post", "/explain/fake-service", "/explain/{id}", "application/json", b"{}"),
        ("get", "/", "/", None, b""),
        ("get", "/?service=other", "/", None, b""),
        ("post", "/console/fake-service", "/console/{id}", "application/json", b"{}"),
        ("post", "/explain/fake-service", "/explain/{id}", "application/json", b" " * 5000),
    ],
)
def test_every_status_is_described(
    make_app: Callable[..., Flask],
    method: str,
    url: str,
    path: str,
    content_type: str | None,
    body: bytes,
) -> None:
    """Each answer's status stands in the document."""
    http = make_app(max_body_bytes=4096).test_client()
    document: Any = http.get("/openapi.json").get_json()
    response = http.open(url, method=method, data=body, content_type=content_type)
    assert str(response.status_code) in document["paths"][path][method]["responses"]

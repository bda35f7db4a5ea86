"""The page about a service: in two formats, kept by readers, and the same for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.protocol.page import Items, Paragraph, Ref, Row, Section, Table, as_data
from cds_service.protocol.service import Service
from cds_service.protocol.validation import problems

URL = "/about/fake-service"
HOSTILE = '<script>alert("x")</script>'
SECTIONS = (
    Section(
        "first",
        "First",
        (
            Paragraph("words", f"Words & {HOSTILE}", "Title", (Ref("a source", "#source-a"),)),
            Items("steps", ("one", Ref("two", "https://example.org/two")), ordered=True),
            Table("sources", "Sources", ("Name", "Grade"), (Row(("A", "primary"), "source-a"),)),
        ),
    ),
)


class Page(HTMLParser):
    """The parts of a page that tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note each element."""
        self.found.append((tag, dict(attrs)))

    def values(self, tag: str, name: str) -> list[str | None]:
        """One attribute of all elements of one kind, or of all kinds (`*`)."""
        return [attrs[name] for one, attrs in self.found if tag in ("*", one) and name in attrs]


@pytest.fixture
def http(make_app: Callable[..., Flask], fake_service: Service) -> FlaskClient:
    """An application around a service that describes itself."""
    about = {"notice": "Not reviewed.", "sections": as_data(SECTIONS), "more": [1]}
    return make_app((replace(fake_service, about=lambda: about),)).test_client()


@pytest.mark.parametrize(
    ("accept", "query", "mimetype"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "", "text/html"),
        ("*/*", "", "text/html"),
        (None, "", "text/html"),
        ("image/png", "", "text/html"),
        ("application/json", "", "application/json"),
        ("application/json, text/html;q=0.5", "", "application/json"),
        ("application/json;q=0.5, text/html", "", "text/html"),
        ("text/html", "?format=json", "application/json"),
        ("application/json", "?format=html", "text/html"),
    ],
)
def test_format(http: FlaskClient, accept: str | None, query: str, mimetype: str) -> None:
    """The query decides, then the Accept header, then it is a page."""
    headers = {"Accept": accept} if accept else {}
    response = http.get(URL + query, headers=headers)
    assert (response.status_code, response.mimetype) == (200, mimetype)
    assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/about/other-service", 404),
        ("GET", "/about/other-service?format=json", 404),
        ("GET", f"{URL}/", 404),
        ("GET", "/about", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/other.css", 404),
        ("GET", f"{URL}?format=xml", 400),
        ("POST", URL, 405),
    ],
)
def test_refusals(http: FlaskClient, method: str, url: str, status: int) -> None:
    """Whatever is not there is told as everywhere else: an OperationOutcome."""
    response = http.open(url, method=method)
    assert response.status_code == status
    assert response.json is not None
    assert response.json["resourceType"] == "OperationOutcome"
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "url", [URL, f"{URL}?format=json", "/static/about.css", "/static/about.svg"]
)
def test_kept_by_readers(http: FlaskClient, url: str) -> None:
    """A reader who has it already is told so; HEAD tells as much as GET, without the body."""
    first = http.get(url)
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = http.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    changed = http.get(url, headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.data) == (200, first.data)
    head = http.head(url)
    assert (head.status_code, head.data) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head.headers[name] == first.headers[name]


def test_page_may_load_nothing_from_elsewhere(http: FlaskClient) -> None:
    """Scripts do not run, nothing comes from another host, and style and icon are there."""
    response = http.get(URL)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    page = Page(response.text)
    assert page.values("script", "src") == page.values("*", "style") == []
    needed = page.values("link", "href")
    assert needed == ["../static/about.svg", "../static/about.css"]
    assert {http.get(urljoin(URL, href)).status_code for href in needed} == {200}


def test_page_is_what_the_service_states(http: FlaskClient) -> None:
    """Each section, block and row has its anchor; words are escaped; links lead where they say."""
    text = http.get(URL).text
    page = Page(text)
    ids = page.values("*", "id")
    assert len(ids) == len(set(ids))
    assert {"first", "words", "steps", "sources", "source-a"} <= set(ids)
    assert "script" not in {tag for tag, _ in page.found}
    assert "Words &amp; &lt;script&gt;" in text
    assert {"#source-a", "https://example.org/two"} <= set(page.values("a", "href"))
    assert re.search(r"<caption[^>]*>Sources</caption>", text)
    assert re.search(r'<th scope="row">A</th><td>primary</td>', text)
    assert "<ol><li>one</li>" in text
    assert "Not reviewed." in text
    assert page.values("html", "lang") == ["en"]


def test_json_is_what_the_service_states(http: FlaskClient) -> None:
    """The data keep their own names, beside those that every service has."""
    document: Any = http.get(f"{URL}?format=json").json
    assert problems("about", document) == ()
    assert document["more"] == [1]
    assert (document["service"], document["title"]) == ("fake-service", "Fake")
    assert re.fullmatch("[0-9a-f]{16}", document["knowledge"])


def test_a_service_that_states_nothing_has_a_page(make_app: Callable[..., Flask]) -> None:
    """Its description stands there."""
    http = make_app().test_client()
    assert "Says nothing." in http.get(URL).text
    assert problems("about", http.get(f"{URL}?format=json").json) == ()


def test_drawn_once(make_app: Callable[..., Flask], fake_service: Service) -> None:
    """However many read it, the page is drawn once, and not before the first."""
    calls: list[int] = []

    def about() -> dict[str, Any]:
        calls.append(1)
        return {"sections": as_data(SECTIONS)}

    http = make_app((replace(fake_service, about=about),)).test_client()
    at_start = len(calls)
    bodies = {http.get(URL).data for _ in range(3)}
    assert len(bodies) == 1
    assert len(calls) == at_start + 1

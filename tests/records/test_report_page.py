"""The page of a report: whole, readable without eyes, and nothing in it that could run."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from report_calls import CALLS, LIVE, QUS, SILENT, call

from cds_service.records.report import CONTENT_SECURITY_POLICY, page, report_page
from cds_service.records.report.counting import count
from cds_service.records.report.drawing import Part, ceiling, columns
from cds_service.records.report.tables import tables
from cds_service.store import AnsweredCall, Database, Filters

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
VOID = {"meta"}


class Elements(HTMLParser):
    """Every element with its attributes and text; fails on one that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends: the last one that began."""
        assert self.open.pop() == tag


def made(*calls: AnsweredCall) -> str:
    """The page of some calls."""
    return page(count(calls).report(Filters(), made_at=NOW))


@pytest.mark.parametrize("calls", [CALLS, LIVE, SILENT, LIVE[6:7], ()])
def test_nothing_runs_and_nothing_is_fetched(calls: tuple[AnsweredCall, ...]) -> None:
    """No script, no handler, no style attribute, no address; the one style is that of the hash."""
    text = made(*calls)
    elements = Elements(text).found
    assert {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "a", "form"} == set()
    names = {name for _, attributes in elements for name in attributes}
    assert {name for name in names if name == "style" or name.startswith("on")} == set()
    assert names & {"href", "src", "xlink:href", "action"} == set()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" == CONTENT_SECURITY_POLICY
    assert "url(" not in style
    assert "@import" not in style
    policies = [a["content"] for tag, a in elements if tag == "meta" and "http-equiv" in a]
    assert policies == [CONTENT_SECURITY_POLICY]


def test_pictures_are_said_in_words() -> None:
    """Each picture has a title and a description of its own, with its numbers."""
    text = made(*CALLS)
    pictures = [ET.fromstring(one) for one in re.findall(r"<svg.*?</svg>", text)]  # noqa: S314
    assert len(pictures) == 8
    space = "{http://www.w3.org/2000/svg}"
    for picture in pictures:
        title, about = picture.find(f"{space}title"), picture.find(f"{space}desc")
        assert title is not None
        assert about is not None
        assert picture.get("role") == "img"
        assert picture.get("aria-labelledby") == f"{title.get('id')} {about.get('id')}"
        assert re.search(r"\d", about.text or "")
    ids = [a["id"] for _, a in Elements(text).found if "id" in a]
    assert len(ids) == len(set(ids))


def test_all_tables_are_there() -> None:
    """The page has the tables of the text, each with heads for its columns and rows."""
    text = made(*CALLS)
    for table in tables(count(CALLS).report(Filters(), made_at=NOW)):
        assert f">{table.title}</h2>" in text
        assert text.count(f'aria-label="Table: {table.title}"') == 1
    assert text.count("<th ") == text.count('scope="col"') + text.count('scope="row"')


def test_what_came_from_outside_is_text() -> None:
    """A client's name or a code cannot become an element."""
    rude = '<script>alert("&")</script>'
    order = replace(QUS, study=rude, rule=rude, rating=rude)
    text = made(call(0, order, client=rude, unread=(rude,), declined={rude: 1}))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_an_empty_store(database: Database) -> None:
    """A page with a sentence, and no pictures."""
    text = report_page(database, Filters(client="nobody"), now=NOW)
    assert "No answered call is recorded for client nobody" in text
    assert "<svg" not in text
    assert "<table" not in text


@pytest.mark.parametrize(
    ("value", "end"), [(0, 1), (1, 1), (3, 4), (7, 8), (9, 10), (11, 20), (361, 400), (8001, 10000)]
)
def test_scales_end_at_a_round_number(value: int, end: int) -> None:
    """And never below what is drawn."""
    assert ceiling(value) == end


@pytest.mark.parametrize("weeks", [1, 12, 53, 300])
def test_labels_have_room(weeks: int) -> None:
    """However many columns there are, their labels do not run into each other."""
    labels = [f"2026-{n:05}" for n in range(weeks)]
    drawn = columns("n", "t", labels, [Part("x", "plain", (1,) * weeks)])
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)" y="238" class="tick"', drawn)]
    assert places
    assert all(right - left >= 65 for left, right in pairwise(places))

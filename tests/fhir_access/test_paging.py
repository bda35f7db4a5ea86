"""Pages, good and bad, are what their names say."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import pytest
from builders import PATIENT_ID
from fhir_asking import SEARCH, all_pages, ask, get
from fhir_charts import small_chart
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory


def test_pages(broken: FaultyServer) -> None:
    """Two to a page under opaque addresses; together they are the whole."""
    pages = all_pages(f"{broken.base('pages')}/{SEARCH}")
    assert [page.ids for page in pages] == [["o0", "o1"], ["o2", "o3"], ["o4"]]
    assert {page.json["total"] for page in pages} == {5}
    assert PATIENT_ID not in str(pages[0].next)
    read = ask(broken, "pages", f"Patient/{PATIENT_ID}")
    assert read.json["resourceType"] == "Patient"


def test_pages_that_never_end(broken: FaultyServer) -> None:
    """The next page is the same again, or always a new one."""
    first, second, third = all_pages(f"{broken.base('pages-loop')}/{SEARCH}", most=3)
    assert first.next == second.next == third.next
    pages = all_pages(f"{broken.base('pages-endless')}/{SEARCH}", most=40)
    assert len({page.next for page in pages}) == 40
    assert len({page.ids[0] for page in pages}) == 40
    assert len(all_pages(f"{broken.base('pages-endless', '7')}/{SEARCH}")) == 7


@pytest.mark.parametrize(
    ("kind", "is_on_origin", "path"),
    [
        ("pages-offhost", False, "/healthy/r4"),
        ("pages-other-tenant", True, "/other-tenant/r4"),
    ],
)
def test_pages_astray(broken: FaultyServer, kind: str, is_on_origin: bool, path: str) -> None:
    """The next page lies on another origin, or under another tenant's prefix."""
    following = urlsplit(str(ask(broken, kind).next))
    assert following.path == path
    assert (following.port == broken.port) is is_on_origin


def test_401_between_pages(broken: FaultyServer) -> None:
    """The token ends between the first page and the second."""
    first = ask(broken, "401-mid-paging")
    assert len(first.ids) == 2
    assert get(str(first.next)).status == 401


def test_total_too_large(broken: FaultyServer) -> None:
    """More matches than entries, and no next page."""
    reply = ask(broken, "total-too-large")
    assert (len(reply.ids), reply.json["total"], reply.next) == (5, 12, None)


def test_downgrade() -> None:
    """Over https, the next page is on http; the certificate is one that a client can trust."""
    with FaultyServer(InMemory(small_chart()), tls=True) as server:
        trust = ssl.create_default_context(cafile=str(server.ca_file))
        first = ask(server, "pages-http-downgrade", trust=trust)
        assert first.next == str(first.next).replace("https", "http")
        assert urlsplit(str(first.next)).netloc == urlsplit(server.base("healthy")).netloc
        second = ask(server, "pages", trust=trust).next
        assert get(str(second), trust=trust).ids == ["o2", "o3"]
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(server, "healthy", trust=ssl.create_default_context())

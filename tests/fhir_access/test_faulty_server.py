"""The faulty FHIR server records what it gets, obeys its arguments, and ends."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import PATIENT_ID
from fhir_asking import SEARCH, all_pages, ask, get
from fhir_charts import small_chart
from fhir_exchange import Exchange
from fhir_faulty import FaultyServer
from fhir_upstream import InMemory


def test_requests_are_recorded(broken: FaultyServer) -> None:
    """Method, path, query and headers of every request are there for the test to look at."""
    broken.forget()
    ask(broken, "healthy", token="t-1")
    ask(broken, "healthy", "Observation/_search", form=f"patient={PATIENT_ID}")
    first, second = broken.seen("healthy")
    assert (first.method, first.path, first.query) == ("GET", "Observation", SEARCH.split("?")[1])
    assert first.headers["Authorization"] == "Bearer t-1"
    assert (second.method, second.path) == ("POST", "Observation/_search")
    assert second.search == ("Observation", f"patient={PATIENT_ID}")
    assert broken.seen("500") == []


def test_one_type_only(broken: FaultyServer) -> None:
    """A kind can be bound to one resource type; the rest is healthy."""
    base = broken.base("503", only="Condition")
    assert get(f"{base}/Condition?patient={PATIENT_ID}").status == 503
    assert get(f"{base}/{SEARCH}").status == 200
    assert len(broken.seen("503", only="Condition")) == 2
    paged = broken.base("pages", "1", only="Observation")
    assert len(all_pages(f"{paged}/{SEARCH}")) == 5


def test_kinds_of_a_test(broken: FaultyServer) -> None:
    """A test can bring kinds of its own; an unknown kind is an error in the test."""

    def teapot(exchange: Exchange) -> None:
        exchange.refuse(418, "invalid", "no coffee")

    with FaultyServer(InMemory(small_chart()), extra={"teapot": teapot}) as server:
        assert ask(server, "teapot").status == 418
    with pytest.raises(KeyError, match="heathy is none of"):
        broken.base("heathy")


def test_healthy(broken: FaultyServer) -> None:
    """Reads, searches and absence are as FHIR has them; a connection can be used again."""
    assert ask(broken, "healthy", f"Patient/{PATIENT_ID}").json["id"] == PATIENT_ID
    assert ask(broken, "healthy", "Patient/nobody").status == 404
    assert ask(broken, "healthy").ids == ["o0", "o1", "o2", "o3", "o4"]
    assert ask(broken, "healthy", "Condition?patient=nobody").json["total"] == 0
    assert ask(broken, "healthy", f"{SEARCH}&code=http://loinc.org%7C1-1").ids == []
    parts = urlsplit(broken.base("healthy"))
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        for _ in range(3):
            connection.request("GET", f"{parts.path}/{SEARCH}")
            assert len(connection.getresponse().read()) > 100


def test_every_kind_is_shown_here(broken: FaultyServer) -> None:
    """A new kind needs a line in this folder."""
    words = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [kind for kind in broken.kinds if kind not in words] == []


def test_the_end_frees_everything() -> None:
    """Closing the server ends clients that hang and frees its ports."""
    with FaultyServer(InMemory(small_chart())) as server:
        parts = urlsplit(server.base("hang"))
        connection = socket.create_connection((parts.hostname, parts.port), timeout=5)
        connection.sendall(f"GET {parts.path}/{SEARCH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        _until(lambda: len(server.seen("hang")) == 1)
    with connection:
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)

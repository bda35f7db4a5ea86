"""Every fault in time, transport, status and content is what its name says."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from builders import PATIENT_ID
from fhir_asking import SEARCH, ask, get
from fhir_faulty import FaultyServer


def test_slow(broken: FaultyServer) -> None:
    """The right answer, 100 ms late, or as late as asked for."""
    for url, least in ((broken.base("slow-100ms"), 0.1), (broken.base("slow", "300"), 0.3)):
        began = time.monotonic()
        assert len(get(f"{url}/{SEARCH}").ids) == 5
        assert time.monotonic() - began >= least


@pytest.mark.parametrize("kind", ["hang", "no-accept", "stop-after-headers"])
def test_never_an_answer(broken: FaultyServer, kind: str) -> None:
    """The client waits until it gives up."""
    with pytest.raises(TimeoutError):
        ask(broken, kind, timeout_s=0.5)


def test_no_accept_is_no_connection(broken: FaultyServer) -> None:
    """It is the connect that hangs, several times over."""
    port = urlsplit(broken.base("no-accept")).port
    for _ in range(3):
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), timeout=0.2)


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
def test_reset(broken: FaultyServer, kind: str) -> None:
    """The connection is reset: on accept, or after the request."""
    with pytest.raises(ConnectionResetError):
        ask(broken, kind)


def _arrivals(url: str, seconds: float) -> bytes:
    """What comes within this time on a plain socket."""
    parts = urlsplit(url)
    found = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=1) as connection:
        target = f"{parts.path}?{parts.query}"
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found += connection.recv(65536)
    return found


def test_drip(broken: FaultyServer) -> None:
    """One byte each 20 ms: never a pause that a read timeout would notice, never an end."""
    slow = _arrivals(f"{broken.base('drip-headers')}/{SEARCH}", 0.5)
    assert 5 <= len(slow) <= 30
    assert b"HTTP/1.1 200 OK".startswith(slow[:15])
    head, _, rest = _arrivals(f"{broken.base('drip-body')}/{SEARCH}", 0.5).partition(b"\r\n\r\n")
    assert b"Content-Length" in head
    assert 5 <= len(rest) <= 30


def test_cut(broken: FaultyServer) -> None:
    """Truncated JSON: with a length that agrees, that does not, by chunks, and without any."""
    whole = ask(broken, "healthy").body
    agreed = get(f"{broken.base('cut-json', '200')}/{SEARCH}")
    assert len(agreed.body) == 200
    with pytest.raises(json.JSONDecodeError):
        _ = agreed.json
    for kind in ("cut-body", "cut-chunked"):
        with pytest.raises(http.client.IncompleteRead) as short:
            get(f"{broken.base(kind, '200')}/{SEARCH}")
        assert len(short.value.partial) == 200
    unframed = ask(broken, "cut-unframed")
    assert "Content-Length" not in unframed.headers
    assert 0 < len(unframed.body) < len(whole)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 502, 503, 504])
def test_errors(broken: FaultyServer, status: int) -> None:
    """Always the same error, with an OperationOutcome."""
    reply = ask(broken, str(status))
    assert (reply.status, reply.json["resourceType"]) == (status, "OperationOutcome")


def test_retry_after(broken: FaultyServer) -> None:
    """429 says when to come back: in an hour, or as asked for."""
    assert ask(broken, "429").headers["Retry-After"] == "3600"
    assert get(f"{broken.base('429', '1')}/{SEARCH}").headers["Retry-After"] == "1"


def test_flaky(broken: FaultyServer) -> None:
    """Each URL fails once."""
    broken.forget()
    for path in (SEARCH, f"Condition?patient={PATIENT_ID}"):
        assert [ask(broken, "flaky", path).status for _ in range(3)] == [503, 200, 200]


def test_refused_parts(broken: FaultyServer) -> None:
    """403 on one type, 404 on the Patient; the rest is there."""
    reads = (f"Patient/{PATIENT_ID}", SEARCH, f"Condition?patient={PATIENT_ID}")
    assert [ask(broken, "403-on-one-type", path).status for path in reads] == [200, 403, 200]
    assert [ask(broken, "404-on-patient", path).status for path in reads] == [404, 200, 200]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(broken: FaultyServer, status: int) -> None:
    """To another origin, which would answer; so a client that follows is caught."""
    broken.forget()
    reply = ask(broken, str(status))
    assert reply.status == status
    assert urlsplit(reply.headers["Location"]).port != broken.port
    assert broken.seen_elsewhere() == []
    assert len(get(reply.headers["Location"], "t-2").ids) == 5
    (caught,) = broken.seen_elsewhere()
    assert caught.headers["Authorization"] == "Bearer t-2"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode("utf-8"))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "content_type", "start", "is_json"),
    [
        ("html-200", "text/html;charset=utf-8", b"<!doctype html>", False),
        ("xml", "application/fhir+xml; charset=utf-8", b"<?xml", False),
        ("bom", "application/fhir+json; charset=utf-8", b"\xef\xbb\xbf{", False),
        ("wrong-content-type", "text/plain", b'{"resourceType": "Bundle"', True),
        ("no-content-type", None, b'{"resourceType": "Bundle"', True),
        ("not-json", "application/fhir+json; charset=utf-8", b"Service", False),
        ("not-utf8", "application/fhir+json; charset=utf-8", b"{", False),
        ("nan", "application/fhir+json; charset=utf-8", b"{", True),
        ("array", "application/fhir+json; charset=utf-8", b"[", True),
        ("null", "application/fhir+json; charset=utf-8", b"null", True),
        ("empty", "application/fhir+json; charset=utf-8", b"", False),
        ("duplicate-key", "application/fhir+json; charset=utf-8", b'{"resourceType":"P', True),
    ],
)
def test_wrong_bodies(
    broken: FaultyServer, kind: str, content_type: str | None, start: bytes, is_json: bool
) -> None:
    """200 with a body that is not what FHIR says."""
    reply = ask(broken, kind)
    assert (reply.status, reply.headers.get("Content-Type")) == (200, content_type)
    assert reply.body.startswith(start)
    assert _is_json(reply.body) is is_json


def test_outcomes(broken: FaultyServer) -> None:
    """An OperationOutcome instead of the Bundle, or in it as an error or a warning."""
    assert ask(broken, "outcome-instead-of-bundle").json["resourceType"] == "OperationOutcome"
    for kind, severity in (("outcome-entry", "error"), ("outcome-warning", "warning")):
        reply = ask(broken, kind)
        *_, last = reply.json["entry"]
        assert last["search"]["mode"] == "outcome"
        assert last["resource"]["issue"][0]["severity"] == severity
        assert (len(reply.ids), reply.json["total"]) == (5, 5)


def test_other_patient(broken: FaultyServer) -> None:
    """A Bundle with a stranger's resource; a read with a stranger."""
    *_, last = ask(broken, "other-patient").json["entry"]
    assert last["resource"]["subject"]["reference"] == "Patient/somebody-else"
    assert ask(broken, "other-patient", f"Patient/{PATIENT_ID}").json["id"] == "somebody-else"


def test_huge(broken: FaultyServer) -> None:
    """10,000 entries, a string of a mebibyte, a bomb of a thousandfold, endless brackets."""
    many = ask(broken, "huge-entries")
    assert len(set(many.ids)) == 10_000
    text = ask(broken, "huge-string").json["entry"][0]["resource"]["note"][0]["text"]
    assert len(text) == 1024 * 1024
    bomb = ask(broken, "gzip-bomb")
    assert bomb.headers["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(bomb.body)) > 900 * len(bomb.body)
    with pytest.raises(RecursionError):
        _ = ask(broken, "deep-nesting").json

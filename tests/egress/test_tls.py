"""TLS to FHIR servers: verified always, never below 1.2, to the name and not to the address."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.egress import Base, Failed, Policy, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: 2\r\n\r\nok"
NAME, ADDRESS = "ehr.example.org", "93.184.216.34"
SECONDS = 0.5

Certified = Callable[..., tuple[str, ssl.SSLContext]]
InTime = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture
def ehr(internet: Any, ask: Callable[..., Reply]) -> Callable[..., Reply]:
    """One GET to https://ehr.example.org, whose address leads to a server of the test."""

    def get(server: Any, *, name: str = NAME, **options: Any) -> Reply:
        internet.routes = {ADDRESS: server.port}
        base = Base.parse(f"https://{name}/tenant-a/r4")
        assert base is not None
        info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ADDRESS, 443))
        options = {"lookup": lambda *_, **__: [info], **options}
        return ask(base.url, policy=Policy((base,)), **options)

    return get


def test_a_pinned_connection_speaks_to_the_name(
    wire: Callable[..., Any], certified: Certified, ehr: Callable[..., Reply], internet: Any
) -> None:
    """The address is the checked one; SNI, certificate and Host are those of the name (T-16)."""
    ca_file, tls = certified(NAME)
    server = wire(OK, tls=tls)
    assert ehr(server, ca_file=ca_file).body == b"ok"
    assert internet.asked == [ADDRESS]
    assert server.sni == [NAME]
    head = server.all_bytes
    assert head.startswith(b"GET /tenant-a/r4/Patient/patient-77 HTTP/1.1\r\n")
    assert b"\r\nHost: ehr.example.org\r\n" in head
    assert ADDRESS.encode() not in head


REFUSED = {
    "expired": (NAME, (-3, -1), True),
    "not valid yet": (NAME, (1, 3), True),
    "of another name": ("evil.example.org", (-1, 1), True),
    "of a longer name": (f"{NAME}.evil.test", (-1, 1), True),
    "of all names one level up": ("*.org", (-1, 1), True),
    "signed by itself": (NAME, (-1, 1), False),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_certificate_that_is_not_valid_is_refused(
    name: str,
    wire: Callable[..., Any],
    certified: Certified,
    ehr: Callable[..., Reply],
    token: str,
) -> None:
    """No request is sent, so no token either (T-38)."""
    subject, days, is_trusted = REFUSED[name]
    ca_file, tls = certified(subject, days=days)
    server = wire(OK, tls=tls)
    with pytest.raises(Failed) as failure:
        ehr(server, **({"ca_file": ca_file} if is_trusted else {}))
    assert (failure.value.reason, failure.value.may_pass) == ("certificate not valid", False)
    assert token.encode() not in server.all_bytes


def test_the_environment_adds_no_trust(
    wire: Callable[..., Any],
    certified: Certified,
    ehr: Callable[..., Reply],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Neither certificates nor a file for the keys of the connection are taken from there."""
    ca_file, tls = certified(NAME)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, ca_file)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    server = wire(OK, tls=tls)
    with pytest.raises(Failed, match="certificate not valid"):
        ehr(server)
    assert ehr(server, ca_file=ca_file).body == b"ok"
    assert not keys.exists()


def test_tls_below_1_2_is_refused(
    wire: Callable[..., Any], certified: Certified, ehr: Callable[..., Reply]
) -> None:
    """A server that knows 1.1 only gets no request; 1.2 does (T-38)."""
    for highest, is_refused in ((ssl.TLSVersion.TLSv1_1, True), (ssl.TLSVersion.TLSv1_2, False)):
        ca_file, tls = certified(NAME)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1, highest
            tls.set_ciphers("DEFAULT:@SECLEVEL=0")
        server = wire(OK, tls=tls)
        if not is_refused:
            assert ehr(server, ca_file=ca_file).body == b"ok"
            continue
        with pytest.raises(Failed, match=r"no secure connection|connection broken"):
            ehr(server, ca_file=ca_file)
        assert server.seen == []


def test_a_server_without_tls_gets_no_request(
    wire: Callable[..., Any], ehr: Callable[..., Reply], token: str
) -> None:
    """Plain HTTP on the port of https."""
    server = wire(OK, at_once=True)
    with pytest.raises(Failed, match="no secure connection"):
        ehr(server)
    assert token.encode() not in server.all_bytes


def _pause(connection: socket.socket, stopping: threading.Event) -> None:
    stopping.wait(30)


def _drip_record(connection: socket.socket, stopping: threading.Event) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB
    while not stopping.wait(0.02):
        connection.sendall(b"\x02")


def _drip_body(connection: socket.socket, stopping: threading.Event) -> None:
    connection.sendall(OK.replace(b": 2\r\n", b": 2000\r\n"))
    while not stopping.wait(0.02):
        connection.sendall(b"x")


@pytest.mark.parametrize("script", [_pause, _drip_record])
def test_a_handshake_that_hangs_is_left_at_the_deadline(
    script: Any, wire: Callable[..., Any], ehr: Callable[..., Reply], in_time: InTime
) -> None:
    """Silent or dripping."""
    server = wire(script, at_once=True)
    with in_time(SECONDS), pytest.raises(Failed, match="timed out"):
        ehr(server, seconds=SECONDS)


def test_reading_certificates_does_not_prolong_the_handshake(
    wire: Callable[..., Any],
    ehr: Callable[..., Reply],
    in_time: InTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first call reads them, and that time is gone from its deadline."""
    slow = threading.Event()

    def late(ca_file: str) -> ssl.SSLContext:
        slow.wait(0.4)
        return ssl.create_default_context(cafile=ca_file)

    monkeypatch.setattr("cds_service.egress.client.tls_context", late)
    server = wire(_pause, at_once=True)
    with in_time(0.7), pytest.raises(Failed, match="timed out"):
        ehr(server, seconds=0.7)


@pytest.mark.parametrize("script", [_pause, _drip_body])
def test_a_slow_answer_over_tls_is_left_at_the_deadline(
    script: Any,
    wire: Callable[..., Any],
    certified: Certified,
    ehr: Callable[..., Reply],
    in_time: InTime,
) -> None:
    """The same as without TLS."""
    ca_file, tls = certified(NAME)
    server = wire(script, tls=tls)
    with in_time(SECONDS), pytest.raises(Failed, match="timed out"):
        ehr(server, seconds=SECONDS, ca_file=ca_file)


def test_an_endless_answer_over_tls_ends_early(
    wire: Callable[..., Any],
    certified: Certified,
    ehr: Callable[..., Reply],
    in_time: InTime,
) -> None:
    """The cap on what comes in holds there too."""

    def script(connection: socket.socket, stopping: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        while not stopping.is_set():
            connection.sendall(b"x" * 16384)

    ca_file, tls = certified(NAME)
    server = wire(script, tls=tls)
    with in_time(5), pytest.raises(Failed, match="too long"):
        ehr(server, seconds=10, ca_file=ca_file)


def test_a_body_that_is_cut_over_tls_is_no_body(
    wire: Callable[..., Any], certified: Certified, ehr: Callable[..., Reply]
) -> None:
    """The end of the connection without the end of the body, and amid the headers."""
    ca_file, tls = certified(NAME)
    server = wire(tls=tls)
    for part in (OK[:-1], OK[:-10], OK[:30], b""):
        server.script = part
        with pytest.raises(Failed) as failure:
            ehr(server, ca_file=ca_file)
        assert (failure.value.reason, failure.value.may_pass) == ("connection broken", True)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nno\n"])
def test_certificates_that_cannot_be_read_are_a_failure(
    content: bytes | None,
    wire: Callable[..., Any],
    ehr: Callable[..., Reply],
    internet: Any,
    tmp_path: Path,
) -> None:
    """In fixed words; nothing is connected and nothing stays open."""
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(Failed, match=r"^certificates not readable$"):
        ehr(wire(OK), ca_file=str(ca_file))
    assert internet.asked == []

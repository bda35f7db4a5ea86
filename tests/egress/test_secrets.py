"""Nothing gets out but the one request, and no error or log line tells what was in it."""

from __future__ import annotations

import logging
import socket
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_service.egress import EgressError, Failed, Policy, Refused, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"

BAD_TOKENS = {
    "CR LF": "abc\r\nX-Injected: 1",
    "LF": "abc\ndef",
    "line end": "abc\n",
    "space": "abc def",
    "tab": "abc\tdef",
    "NUL": "abc\0",
    "not ASCII": "abcé",
    "full-width": "ａｂｃ",
    "line separator": "abc\u2028def",
    "empty": "",
    "too long": "x" * 8193,
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_is_not_one_line_of_text_is_refused(
    name: str, wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """No header can be injected; nothing is sent."""
    server = wire(OK + b"\r\nok")
    with pytest.raises(Refused) as refusal:
        ask(server.base, token=BAD_TOKENS[name])
    assert "abc" not in str(refusal.value)
    assert server.connections == 0


def test_the_request_is_exactly_this(
    wire: Callable[..., Any], ask: Callable[..., Reply], token: str
) -> None:
    """One GET with the headers that are meant; no cookie, no body, no other header."""
    server = wire(OK + b"\r\nok")
    ask(server.base, "/Observation?patient=1&code=a%7Cb")
    ask(server.base, token=None)
    first, second = server.seen
    assert first.decode().split("\r\n")[0] == (
        "GET /tenant-a/r4/Observation?patient=1&code=a%7Cb HTTP/1.1"
    )
    assert sorted(first.decode().split("\r\n")[1:-2]) == [
        "Accept-Encoding: gzip",
        "Accept: application/fhir+json",
        f"Authorization: Bearer {token}",
        f"Host: 127.0.0.1:{server.port}",
        "User-Agent: bone-density-cds",
    ]
    assert b"Authorization" not in second


def test_an_ipv6_host_is_in_brackets(wire: Callable[..., Any], ask: Callable[..., Reply]) -> None:
    """As RFC 9110 wants it in the Host header."""
    server = wire(OK + b"\r\nok", host="::1")
    assert ask(f"http://[0:0::1]:{server.port}/r4").body == b"ok"
    assert b"Host: [::1]:%d\r\n" % server.port in server.all_bytes


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_proxies_and_netrc_of_the_environment_are_ignored(
    case: Callable[[str], str],
    wire: Callable[..., Any],
    ask: Callable[..., Reply],
    canary: Any,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The header is the one given, no proxy is asked (T-19)."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
        monkeypatch.setenv(case(name), f"http://user:pass@127.0.0.1:{canary.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login netrc-user password netrc-word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = wire(OK + b"\r\nok")
    for given in (token, None):
        assert ask(server.base, token=given).body == b"ok"
    assert server.all_bytes.count(f"Authorization: Bearer {token}\r\n".encode()) == 1
    assert b"Basic" not in server.all_bytes
    assert canary.connections == 0


def test_cookies_are_not_kept(wire: Callable[..., Any], ask: Callable[..., Reply]) -> None:
    """Two clients of one server share a way out, not a session."""
    server = wire(OK + b"Set-Cookie: session=1; Path=/\r\n\r\nok")
    for _ in range(3):
        ask(server.base)
    assert b"cookie" not in server.all_bytes.lower()


def test_a_connection_is_not_used_again(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """What a server sends too much is nobody's next answer."""
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    server = wire(OK + b"\r\nok" + poison)
    assert [ask(server.base).body for _ in range(3)] == [b"ok"] * 3
    assert server.connections == 3


def _refuse_all(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
    raise socket.gaierror(-2, "patient-77 is no name")


FAILING: dict[str, Any] = {
    "empty answer": b"",
    "no HTTP": b"patient-77 Secret.Token\r\n\r\n",
    "body cut": OK + b"\r\no",
    "redirect": b"HTTP/1.1 302 x\r\nLocation: http://patient-77/\r\nContent-Length: 0\r\n\r\n",
    "bad length": OK + b"Content-Length: 3\r\n\r\nok",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-7\r\n",
    "bad gzip": OK + b"Content-Encoding: gzip\r\n\r\nok",
    "unknown encoding": OK + b"Content-Encoding: patient-77\r\n\r\nok",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    "hangs": lambda connection, stopping: stopping.wait(30),
}


def _raised(call: Callable[[], object]) -> EgressError:
    with pytest.raises(EgressError) as raised:
        call()
    return raised.value


def _assert_tells_nothing(error: EgressError, *more: str) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(error.args)
    for secret in ("Secret.Token", "patient-77", "tenant-a", "127.0.0.1", "93.184.", *more):
        assert secret not in told
    assert error.reason == str(error)
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize("name", FAILING)
def test_no_failure_tells_address_or_token(
    name: str,
    wire: Callable[..., Any],
    ask: Callable[..., Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither its text nor its printed traceback, nor any log line of a library."""
    caplog.set_level(logging.DEBUG)
    server = wire(FAILING[name])
    error = _raised(lambda: ask(server.base, seconds=0.3))
    assert isinstance(error, Failed)
    _assert_tells_nothing(error, str(server.port))
    assert "patient-77" not in caplog.text


def test_no_failure_of_name_connection_or_tls_tells_the_address(
    wire: Callable[..., Any],
    ask: Callable[..., Reply],
    internet: Any,
    certified: Callable[..., tuple[str, ssl.SSLContext]],
) -> None:
    """A name without addresses, a refused connection, a wrong certificate, a refused address."""
    policy = Policy(None)
    name = "https://ehr-77.example.org/tenant-a/r4"
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.77.77.77", 443))]
    secrets = ("ehr-77", "10.77")
    _assert_tells_nothing(_raised(lambda: ask(name, policy=policy, lookup=_refuse_all)), *secrets)
    for found in (infos, inside):
        call = {"policy": policy, "lookup": lambda *_, f=found, **__: f}
        _assert_tells_nothing(_raised(lambda c=call: ask(name, **c)), *secrets)
    server = wire(OK + b"\r\nok", tls=certified("other-77.example.org")[1])
    internet.routes = {"93.184.216.34": server.port}
    error = _raised(lambda: ask(name, policy=policy, lookup=lambda *_, **__: infos))
    _assert_tells_nothing(error, *secrets, "other-77")


def test_libraries_log_no_address(
    wire: Callable[..., Any], ask: Callable[..., Reply], caplog: pytest.LogCaptureFixture
) -> None:
    """Also where they like to: headers that cannot be parsed, lengths that contradict."""
    caplog.set_level(logging.DEBUG)
    server = wire(b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\nok")
    assert ask(server.base).body == b"ok"
    server.script = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    assert ask(server.base).body == b"ok"
    assert caplog.text == ""

"""What a reply says, and what of HTTP is not accepted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from cds_service.egress import Failed, Reply

OK = b"HTTP/1.1 200 OK\r\n"

RETRY_AFTER = [
    (b"0", 0.0),
    (b"5", 5.0),
    (b"  120 ", 120.0),
    (b"999999999", 999999999.0),
    (b"9999999999", None),
    (b"", None),
    (b"-5", None),
    (b"+5", None),
    (b"1.5", None),
    (b"1e3", None),
    (b"5, 6", None),
    (b"\xb2", None),
    (b"inf", None),
    (b"Wed, 21 Oct 2026 07:28:00 GMT", None),
]
MEDIA_TYPES = [
    (b"application/fhir+json", "application/fhir+json"),
    (b"Application/FHIR+JSON; charset=UTF-8", "application/fhir+json"),
    (b'application/fhir+json;fhirVersion="4.0";charset=utf-8', "application/fhir+json"),
    (b"  text/html  ;x", "text/html"),
    (b";charset=utf-8", ""),
    (b"", ""),
]
PACKED = gzip.compress(b'{"a":1}', mtime=0)  # the same in every worker: it is in test names
ENCODINGS = [
    (b"gzip", PACKED, b'{"a":1}'),
    (b"GZIP", PACKED, b'{"a":1}'),
    (b"x-gzip", PACKED, b'{"a":1}'),
    (b"identity", b"{}", b"{}"),
    (b"", b"{}", b"{}"),
    (b"gzip", b"", b""),
    (b"gzip", b"{}", "cut short"),
    (b"gzip", zlib.compress(b"{}"), "cut short"),
    (b"deflate", zlib.compress(b"{}"), "encoding not understood"),
    (b"br", b"\x8b\x00\x80{}\x03", "encoding not understood"),
    (b"zstd", b"(\xb5/\xfd", "encoding not understood"),
    (b"gzip, gzip", PACKED, "encoding not understood"),
    (b"deflate, gzip", PACKED, "encoding not understood"),
    (b"aes128gcm", b"{}", "encoding not understood"),
]
ODD = {
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"Content-Length: 2\r\n\r\nok", b"ok"),
    "same length twice": (b"", b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "chunks and length": (
        b"",
        b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"ok",
    ),
    "chunk extension": (b"", b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n", b"ok"),
    "trailer": (b"", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", b"ok"),
    "until the end": (b"", b"\r\nok", b"ok"),
    "length -1": (b"", b"Content-Length: -1\r\n\r\nok", b"ok"),
    "more than the length": (b"", b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 x\r\n\r\n", b"ok"),
    "odd cookies": (
        b"",
        b"Set-Cookie: a=b; Expires=Wed, 21 Occ 2026 07:28:00 GMT\r\nContent-Length: 2\r\n\r\nok",
        b"ok",
    ),
    "two lengths": (b"", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", None),
    "chunk that is no number": (b"", b"Transfer-Encoding: chunked\r\n\r\nz\r\nok", None),
    "chunk of length -5": (b"", b"Transfer-Encoding: chunked\r\n\r\n-5\r\nok\r\n0\r\n\r\n", None),
    "too many headers": (b"", b"X: y\r\n" * 101 + b"\r\nok", None),
    "long header": (b"", b"X: " + b"y" * 66000 + b"\r\n\r\nok", None),
}
NO_HTTP = [b"", b"ok", b"\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 99 OK\r\n\r\n"]
NO_HTTP += [b"HTTP/2 200 OK\r\n\r\nok", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x03\x00\x02\x02\x16"]


@pytest.fixture
def answered(wire: Callable[..., Any], ask: Callable[..., Reply]) -> Callable[[bytes], Reply]:
    """The reply to one GET of a server that says these bytes."""
    return lambda said: ask(wire(said).base)


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_retry_after_in_seconds(
    value: bytes, seconds: float | None, answered: Callable[[bytes], Reply]
) -> None:
    """Anything but plain seconds is nothing."""
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: " + value + b"\r\nContent-Length: 0\r\n\r\n"
    reply = answered(head)
    assert (reply.status, reply.retry_after_s) == (503, seconds)


@pytest.mark.parametrize(("value", "media_type"), MEDIA_TYPES)
def test_media_type(value: bytes, media_type: str, answered: Callable[[bytes], Reply]) -> None:
    """Small letters, no parameters."""
    head = OK + b"Content-Type: " + value + b"\r\nContent-Length: 0\r\n\r\n"
    assert answered(head).content_type == media_type


def test_a_reply_without_headers(answered: Callable[[bytes], Reply]) -> None:
    """Nothing is made up."""
    assert answered(b"HTTP/1.1 204 No Content\r\n\r\n") == Reply(204, "", b"", None)


@pytest.mark.parametrize(("encoding", "sent", "expected"), ENCODINGS)
def test_encodings(
    encoding: bytes, sent: bytes, expected: bytes | str, answered: Callable[[bytes], Reply]
) -> None:
    """Gzip and none; every other is refused rather than guessed."""
    said = OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(sent)) + sent
    if isinstance(expected, bytes):
        assert answered(said).body == expected
        return
    with pytest.raises(Failed, match=expected):
        answered(said)


@pytest.mark.parametrize("name", ODD)
def test_odd_answers(name: str, answered: Callable[[bytes], Reply]) -> None:
    """What is framed clearly is read; what is not is a broken connection, never another error."""
    before, rest, body = ODD[name]
    if body is not None:
        assert answered(before + OK + rest).body == body
        return
    with pytest.raises(Failed, match="connection broken"):
        answered(before + OK + rest)


@pytest.mark.parametrize("status", [101, 103, 204, 304])
def test_statuses_that_have_no_body(status: int, answered: Callable[[bytes], Reply]) -> None:
    """What comes after the headers is not read."""
    reply = answered(b"HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\nsmile" % status)
    assert (reply.status, reply.body) == (status, b"")


@pytest.mark.parametrize("status", [200, 201, 300, 305, 401, 403, 404, 407, 410, 429, 500, 999])
def test_any_other_status_is_a_reply(status: int, answered: Callable[[bytes], Reply]) -> None:
    """A way out judges no status but redirects; Location is never looked at."""
    said = b"HTTP/1.1 %d x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\n{}"
    reply = answered(said % status)
    assert (reply.status, reply.body) == (status, b"{}")


@pytest.mark.parametrize("said", NO_HTTP)
def test_what_is_no_http(said: bytes, answered: Callable[[bytes], Reply]) -> None:
    """HTTP/0.9, other protocols, nothing at all."""
    with pytest.raises(Failed, match="connection broken"):
        answered(said)


def test_a_reply_does_not_show_its_body() -> None:
    """It may be printed: a body is about a patient."""
    assert "Smith" not in repr(Reply(200, "application/json", b"Smith"))

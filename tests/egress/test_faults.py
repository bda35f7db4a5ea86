"""Servers and networks that fail: every call ends in time, with little memory, in fixed words."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import socket
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fhir_charts import small_chart
from fhir_faulty import FaultyServer
from fhir_listeners import Blackhole
from fhir_upstream import InMemory

from cds_service.egress import Deadline, Egress, EgressError, Failed, Policy, Reply
from cds_service.egress.resolver import MAX_LOOKUPS, MAX_LOOKUPS_OF_ONE, Resolver

SECONDS = 0.4
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n"
BODY = b'{"resourceType":"Patient","id":"patient-77","text":"' + b"x" * 160 + b'"}'

InTime = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyServer]:
    """Every fault, in front of a small chart."""
    with FaultyServer(InMemory(small_chart())) as server:
        yield server


def _pause(connection: socket.socket, stopping: threading.Event) -> None:
    stopping.wait(30)


def _drip(data: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def script(connection: socket.socket, stopping: threading.Event) -> None:
        for position in range(len(data)):
            connection.sendall(data[position : position + 1])
            if stopping.wait(0.02):
                return

    return script


def _endless(start: bytes, again: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def script(connection: socket.socket, stopping: threading.Event) -> None:
        connection.sendall(start)
        while not stopping.is_set():
            connection.sendall(again)

    return script


LENGTH = b"Content-Length: 300\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "nothing": _pause,
    "dripping status line": _drip(OK + LENGTH),
    "dripping headers": _drip(OK + b"X-A: 1\r\n" * 300),
    "dripping continue": _drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "dripping body": lambda c, s: (c.sendall(OK + LENGTH), _drip(b"x" * 300)(c, s)),
    "dripping chunks": lambda c, s: (c.sendall(OK + CHUNKED), _drip(b"1\r\nx\r\n" * 99)(c, s)),
    "dripping trailers": lambda c, s: (
        c.sendall(OK + CHUNKED + b"1\r\nx\r\n0\r\n"),
        _drip(b"X-A: 1\r\n" * 99)(c, s),
    ),
    "dripping to the end": lambda c, s: (c.sendall(OK + b"\r\n"), _drip(b"x" * 300)(c, s)),
    "dripping gzip": lambda c, s: (
        c.sendall(OK + b"Content-Encoding: gzip\r\n" + LENGTH),
        _drip(gzip.compress(bytes(range(256))))(c, s),
    ),
    "stops after the headers": lambda c, s: (c.sendall(OK + LENGTH), _pause(c, s)),
    "stops amid the body": lambda c, s: (c.sendall(OK + LENGTH + b"x" * 299), _pause(c, s)),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_server_is_left_at_the_deadline(
    name: str, wire: Callable[..., Any], ask: Callable[..., Reply], in_time: InTime
) -> None:
    """However often a byte comes, the whole has one deadline (F-01, F-02, F-03)."""
    server = wire(SLOW[name])
    with in_time(SECONDS), pytest.raises(Failed) as failure:
        ask(server.base, seconds=SECONDS)
    assert (failure.value.reason, failure.value.may_pass) == ("timed out", False)


@pytest.mark.parametrize("kind", ["hang", "drip-headers", "drip-body", "no-accept"])
def test_the_faulty_server_is_left_at_the_deadline(
    kind: str, faulty: FaultyServer, ask: Callable[..., Reply], in_time: InTime
) -> None:
    """So it is with the kinds of the shared faulty server, the full backlog among them."""
    with in_time(SECONDS), pytest.raises(Failed, match="timed out"):
        ask(faulty.base(kind), "/Patient/nobody", seconds=SECONDS)


def test_a_request_that_is_not_taken_is_left_at_the_deadline(
    wire: Callable[..., Any], ask: Callable[..., Reply], in_time: InTime
) -> None:
    """Sending ends with the deadline too: no server can hold it up by not reading."""
    server = wire(_pause, at_once=True)
    path = "/Observation?" + "x" * 8000
    with in_time(SECONDS), pytest.raises(Failed, match="timed out"):
        ask(server.base, path, seconds=SECONDS, token="t" * 8192)


def test_a_deadline_that_is_over_sends_nothing(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """Not even a connection is made."""
    server = wire(OK + b"Content-Length: 0\r\n\r\n")
    with pytest.raises(Failed, match="timed out"):
        ask(server.base, seconds=-1)
    assert server.connections == 0


ENDLESS = {
    "body": (OK + b"\r\n", b"x" * 65536),
    "chunks": (OK + CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "small chunks": (OK + CHUNKED, b"1\r\nx\r\n" * 1000),
    "chunk of length -1": (OK + CHUNKED + b"-1\r\n", b"x" * 65536),
    "chunk of length -2": (OK + CHUNKED + b"-2\r\n", b"x" * 65536),
    "chunk without end": (OK + CHUNKED + b"f" * 16 + b"\r\n", b"x" * 65536),
    "chunk extensions": (OK + CHUNKED, b"1;" + b"e" * 60000 + b"\r\nx\r\n"),
    "trailers": (OK + CHUNKED + b"0\r\n", b"X-A: 1\r\n" * 1000),
    "headers": (OK, b"X-A: " + b"x" * 60000 + b"\r\n"),
    "header": (OK + b"X-A: ", b"x" * 65536),
    "status line": (b"HTTP/1.1 200 ", b"x" * 65536),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "gzip of nothing": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\x00\x00\x00\xff\xff" * 10000,
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_ends_early_and_small(
    name: str, wire: Callable[..., Any], ask: Callable[..., Reply], in_time: InTime
) -> None:
    """Whatever has no end: the cap on what comes in holds long before the deadline (F-14)."""
    server = wire(_endless(*ENDLESS[name]))
    tracemalloc.start()
    try:
        with in_time(5), pytest.raises(Failed, match=r"too long|broken"):
            ask(server.base, seconds=10)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_stays_small(wire: Callable[..., Any], ask: Callable[..., Reply]) -> None:
    """64 MiB in 64 KiB: no more is unpacked than is allowed (F-14)."""
    bomb = gzip.compress(b" " * (64 << 20))
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    server = wire(head + bomb)
    tracemalloc.start()
    try:
        with pytest.raises(Failed, match="too long"):
            ask(server.base, max_bytes=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_length_above_the_cap_is_refused_unread(
    wire: Callable[..., Any], ask: Callable[..., Reply], in_time: InTime
) -> None:
    """The body is not waited for."""
    server = wire(lambda c, s: (c.sendall(OK + b"Content-Length: 101\r\n\r\n"), _pause(c, s)))
    with in_time(0.3), pytest.raises(Failed, match="too long"):
        ask(server.base, max_bytes=100)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False)])
def test_the_cap_is_exact(
    size: int, fits: bool, packed: bool, wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """The last byte that is allowed is given, one more is too long; packed or not."""
    body = b"x" * size
    sent, head = body, OK
    if packed:
        sent, head = gzip.compress(body), OK + b"Content-Encoding: gzip\r\n"
    server = wire(head + CHUNKED + b"%x\r\n" % len(sent) + sent + b"\r\n0\r\n\r\n")
    if fits:
        assert ask(server.base, max_bytes=100).body == body
        return
    with pytest.raises(Failed, match="too long"):
        ask(server.base, max_bytes=100)


CUTS = {
    "length": lambda part: OK + b"Content-Length: %d\r\n\r\n" % len(BODY) + part,
    "length too large": lambda part: OK + b"Content-Length: %d\r\n\r\n" % (len(part) + 1) + part,
    "chunk": lambda part: OK + CHUNKED + b"%x\r\n" % len(BODY) + part,
    "chunks": lambda part: OK + CHUNKED + b"%x\r\n" % len(part) + part + b"\r\n",
}


@pytest.mark.parametrize("name", CUTS)
def test_a_body_that_is_cut_is_no_body(
    name: str, wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """At each of 200 offsets (F-03)."""
    assert len(BODY) > 200
    server = wire()
    for offset in range(1, 201):
        server.script = CUTS[name](BODY[:offset])
        with pytest.raises(Failed) as failure:
            ask(server.base)
        assert (failure.value.reason, failure.value.may_pass) == ("connection broken", True)


def test_a_packed_body_that_is_cut_is_no_body(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """At each offset, under a length that agrees with the cut; nor is one with more behind it."""
    packed = gzip.compress(bytes(range(200)))
    server = wire()
    for part in [*(packed[:offset] for offset in range(1, len(packed))), packed * 2, packed + b"x"]:
        head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(part)
        server.script = head + part
        with pytest.raises(Failed, match="cut short"):
            ask(server.base)


def test_headers_that_are_cut_are_no_answer(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """At each offset: a status without the end of its headers does not count."""
    head = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
    server = wire()
    for offset in range(len(head)):
        server.script = head[:offset]
        with pytest.raises(Failed, match="connection broken"):
            ask(server.base)
    server.script = head
    assert ask(server.base).status == 404


def test_a_length_too_small_gives_no_more_than_that(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """HTTP cannot tell; what reads JSON finds it cut."""
    server = wire(OK + b"Content-Length: 20\r\n\r\n" + BODY)
    assert ask(server.base).body == BODY[:20]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    status: int, faulty: FaultyServer, ask: Callable[..., Reply]
) -> None:
    """It is a fault; the other origin gets nothing (T-17)."""
    with pytest.raises(Failed, match="redirect"):
        ask(faulty.base(str(status)))
    assert len(faulty.seen(str(status))) >= 1
    assert faulty.seen_elsewhere() == []


BROKEN = {
    "reset": ("reset", "connection broken"),
    "body cut": ("cut-body", "connection broken"),
    "chunks cut": ("cut-chunked", "connection broken"),
    "bomb": ("gzip-bomb", "too long"),
    "large": ("huge-string", "too long"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_is_told_in_fixed_words(
    name: str, faulty: FaultyServer, ask: Callable[..., Reply]
) -> None:
    """The reasons are those that the documentation lists."""
    kind, reason = BROKEN[name]
    with pytest.raises(Failed) as failure:
        ask(faulty.base(kind), "/Observation?patient=1")
    assert failure.value.reason == reason
    assert failure.value.may_pass == (reason == "connection broken")


def test_a_connection_that_is_reset_at_once_may_pass(
    faulty: FaultyServer, ask: Callable[..., Reply]
) -> None:
    """Before or after this side has noticed that it was taken."""
    with pytest.raises(Failed, match=r"connection broken|no connection") as failure:
        ask(faulty.base("disconnect"))
    assert failure.value.may_pass


def _infos(*ports: int) -> list[tuple[Any, ...]]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_no_address_that_takes_the_connection(ask: Callable[..., Reply]) -> None:
    """All refuse: no connection, and it may pass."""
    ports = (_closed_port(), _closed_port())
    with pytest.raises(Failed) as failure:
        ask("http://localhost:1/r4", lookup=lambda *_, **__: _infos(*ports))
    assert (failure.value.reason, failure.value.may_pass) == ("no connection", True)


def test_another_address_is_tried(
    wire: Callable[..., Any], ask: Callable[..., Reply], in_time: InTime
) -> None:
    """After one that refuses, and after one that hangs, which gets its share of the time only."""
    server = wire(OK + b"Content-Length: 2\r\n\r\nok")
    with Blackhole() as hole, in_time(0.5, 0.4):
        reply = ask(
            "http://localhost:1/r4",
            seconds=1.5,
            lookup=lambda *_, **__: _infos(hole.port, _closed_port(), server.port),
        )
    assert reply.body == b"ok"
    assert server.connections == 1


def test_an_address_family_that_this_machine_lacks_is_passed_over(
    wire: Callable[..., Any], ask: Callable[..., Reply]
) -> None:
    """A kernel without IPv6 gives no such socket: the next address is tried, no error escapes."""
    server = wire(OK + b"Content-Length: 2\r\n\r\nok")
    unknown = (999, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0))
    for found, ok in (([unknown, *_infos(server.port)], True), ([unknown], False)):
        with contextlib.nullcontext() if ok else pytest.raises(Failed, match="no connection"):
            assert ask("http://localhost:1/r4", lookup=lambda *_, f=found, **__: f).body == b"ok"


@pytest.fixture
def stuck() -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """A resolver that hangs for every name but one until the test ends; `asked` counts."""
    release = threading.Event()

    def lookup(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        lookup.asked.append(host)  # type: ignore[attr-defined]
        if host != "good.example.org":
            release.wait(30)
        return _infos(443)

    lookup.asked = []  # type: ignore[attr-defined]
    before = threading.active_count()
    yield lookup
    release.set()
    _wait_until(lambda: threading.active_count() <= before)


def _reasons(resolver: Resolver, hosts: list[str], seconds: float) -> set[str]:
    """Why look-ups at the same time fail; none may take longer than its deadline."""

    def fail(host: str) -> tuple[str, float]:
        began = time.monotonic()
        with pytest.raises(Failed) as failure:
            resolver.addresses(host, 443, Deadline.after(seconds))
        return failure.value.reason, time.monotonic() - began

    with ThreadPoolExecutor(len(hosts)) as pool:
        results = list(pool.map(fail, hosts))
    assert max(taken for _, taken in results) < seconds + 0.5
    return {reason for reason, _ in results}


def test_look_ups_that_hang_are_bounded(stuck: Any) -> None:
    """Of all names together, and addresses need none (F-48)."""
    resolver = Resolver(stuck)
    hosts = [f"h{number}.example.org" for number in range(MAX_LOOKUPS + 8)]
    assert _reasons(resolver, hosts, SECONDS) == {"timed out", "name not resolved"}
    assert len(stuck.asked) == MAX_LOOKUPS
    assert resolver.addresses("127.0.0.1", 1, Deadline.after(5)) == [
        (socket.AF_INET, ("127.0.0.1", 1))
    ]


def test_a_name_that_hangs_leaves_the_others_theirs(
    stuck: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tenant's dead name server is not everybody's (F-04, F-48)."""
    monkeypatch.setattr("cds_service.egress.resolver.SHARED_S", 0.0)
    resolver = Resolver(stuck)
    assert _reasons(resolver, ["h.example.org"] * 40, SECONDS) == {"timed out"}
    assert stuck.asked == ["h.example.org"] * MAX_LOOKUPS_OF_ONE
    assert resolver.addresses("good.example.org", 443, Deadline.after(5))


def test_those_who_ask_together_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parallel reads of one call ask once; the next call asks anew."""
    monkeypatch.setattr("cds_service.egress.resolver.SHARED_S", 60.0)
    asked, go, together = [], threading.Event(), threading.Barrier(8)

    def lookup(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        go.wait(0.3)
        return _infos(443)

    resolver = Resolver(lookup)

    def ask_together(_: int) -> int:
        together.wait(10)
        return len(resolver.addresses("h.example.org", 443, Deadline.after(10)))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask_together, range(8))) == [1] * 8
    shared = len(asked)
    assert shared <= 2  # a thread that got no turn for 0.3 s comes too late
    go.set()
    assert resolver.addresses("h.example.org", 443, Deadline.after(5))
    assert len(asked) == shared + 1


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "unknown"), UnicodeError("label"), ValueError("odd"), OSError()]
)
def test_a_resolver_that_fails_is_a_name_not_resolved(error: Exception) -> None:
    """Whatever it raises; and each look-up gives its place back."""

    def lookup(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise error

    resolver = Resolver(lookup)
    for _ in range(MAX_LOOKUPS + 1):
        with pytest.raises(Failed, match="name not resolved"):
            resolver.addresses("ehr.example.org", 443, Deadline.after(5))


def test_no_answer_of_the_resolver_is_a_name_not_resolved() -> None:
    """An empty list is no permission."""
    with pytest.raises(Failed, match="name not resolved"):
        Resolver(lambda *_, **__: []).addresses("x.example.org", 443, Deadline.after(5))


def test_no_thread_for_a_look_up_is_a_name_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system at its limit: no other error escapes, and the place is given back."""
    resolver = Resolver(lambda *_, **__: _infos(443))

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(MAX_LOOKUPS + 1):
            with pytest.raises(Failed, match="name not resolved"):
                resolver.addresses("x.example.org", 443, Deadline.after(5))
    assert resolver.addresses("x.example.org", 443, Deadline.after(5))


def test_faults_leave_nothing_open(faulty: FaultyServer, ask: Callable[..., Reply]) -> None:
    """After 200 of them as many files and threads are open as before, and nothing was forgotten."""
    kinds = ["reset", "disconnect", "cut-body", "cut-chunked", "302", "gzip-bomb", "huge-string"]
    kinds += ["stop-after-headers", "healthy", "429"]
    egress = Egress(max_bytes=64 * 1024)
    path = "/Observation?patient=nobody"
    for kind in kinds:  # what the server makes once
        with contextlib.suppress(EgressError):
            ask(faulty.base(kind), path, egress=egress, seconds=0.2)
    _wait_until(lambda: threading.active_count() <= 8)
    before = _open_files(), threading.active_count()
    with warnings.catch_warnings(record=True) as forgotten:
        warnings.simplefilter("always")
        for number in range(200):
            seconds = 0.02 if kinds[number % 10] == "stop-after-headers" else 5
            with contextlib.suppress(EgressError):
                ask(faulty.base(kinds[number % 10]), path, egress=egress, seconds=seconds)
        gc.collect()
    assert [str(each.message) for each in forgotten] == []
    _wait_until(lambda: _open_files() <= before[0] and threading.active_count() <= before[1])


def test_many_threads_share_one_way_out(
    wire: Callable[..., Any], development: Policy, ask: Callable[..., Reply]
) -> None:
    """Each gets its own answer."""

    def echo(connection: socket.socket, stopping: threading.Event) -> None:
        body = server.seen[-1] and b"ok"
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    server = wire(echo)
    egress = Egress(max_bytes=100)
    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda _: ask(server.base, egress=egress).body, range(100)))
    assert bodies == [b"ok"] * 100
    assert server.connections == 100


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)

"""Servers, addresses and certificates for the tests of the way out; all of it is loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.egress import Deadline, Egress, Policy, Reply

TOKEN = "Secret.Token-0123456789"
DEVELOPMENT = Policy(None, https_only=False, loopback_only=True)


class Wire:
    """A TCP server that says what a test wants, byte for byte, and records what it got.

    A script is the bytes to answer every request with, or a function of (connection, stopping).
    With `at_once` nothing is read before it. `sni` holds the names of TLS handshakes.
    """

    def __init__(
        self,
        script: bytes | Callable[[socket.socket, threading.Event], None] = b"",
        *,
        tls: ssl.SSLContext | None = None,
        at_once: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.script, self._tls, self._at_once = script, tls, at_once
        self.stopping = threading.Event()
        self.connections = 0
        self.seen: list[bytes] = []
        self.sni: list[str | None] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        if tls is not None:
            tls.sni_callback = lambda _, name, __: self.sni.append(name)

    @property
    def base(self) -> str:
        """The FHIR base on this server."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/tenant-a/r4"

    @property
    def all_bytes(self) -> bytes:
        """Whatever came, in one piece."""
        return b"".join(self.seen)

    def close(self) -> None:
        """Ends every connection and every thread."""
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(connection)
            if self._tls is not None:
                connection = stack.enter_context(self._tls.wrap_socket(connection, True))
            if not self._at_once:
                self._read_head(connection)
            if isinstance(self.script, bytes):
                connection.sendall(self.script)
            else:
                self.script(connection, self.stopping)

    def _read_head(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                break
            head += received
        self.seen.append(head)


class Internet:
    """Public addresses that lead to ports of this machine; `asked` are all connections tried."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.routes: dict[str, int] = {}

    def connect(self, own: socket.socket, address: tuple[Any, ...]) -> None:
        """In place of a socket's own connect."""
        self.asked.append(address[0])
        if address[0] not in self.routes:
            raise ConnectionRefusedError
        host = "127.0.0.1" if own.family == socket.AF_INET else "::1"
        socket.socket.connect(own, (host, self.routes[address[0]]))


@pytest.fixture
def token() -> str:
    """What nobody but the right server may see."""
    return TOKEN


@pytest.fixture
def development() -> Policy:
    """Any server on this machine, over http too."""
    return DEVELOPMENT


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Makes servers that end with the test."""
    with contextlib.ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> Wire:
            made = Wire(*arguments, **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="module")
def canary() -> Iterator[Wire]:
    """A server that nothing may ever reach."""
    made = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nleak")
    yield made
    made.close()


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """All connections of the way out, redirected."""
    made = Internet()
    monkeypatch.setattr(
        "cds_service.egress.connections._Plain.connect",
        lambda own, address: made.connect(own, address),
    )
    return made


@pytest.fixture
def ask() -> Callable[..., Reply]:
    """One GET below a base address."""

    def get(
        server: str,
        path: str = "/Patient/patient-77",
        *,
        seconds: float = 5,
        policy: Policy = DEVELOPMENT,
        token: str | None = TOKEN,
        egress: Egress | None = None,
        **options: Any,
    ) -> Reply:
        base = policy.base_for(server)
        way = egress or Egress(**{"max_bytes": 64 * 1024, **options})
        deadline = Deadline.after(seconds)
        return way.get(base.url + path, base=base, policy=policy, deadline=deadline, token=token)

    return get


@pytest.fixture
def in_time() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Asserts that a block ends by so many seconds, give or take what a busy machine needs."""

    @contextlib.contextmanager
    def watch(seconds: float, slack: float = 0.25) -> Iterator[None]:
        began = time.monotonic()
        yield
        assert time.monotonic() - began <= seconds + slack

    return watch


@pytest.fixture
def certified(tmp_path: Path) -> Callable[..., tuple[str, ssl.SSLContext]]:
    """A certificate that signs itself: its file, for clients that trust it, and a server's TLS."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def make(name: str, *, days: tuple[int, int] = (-1, 1)) -> tuple[str, ssl.SSLContext]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        first, last = (datetime.now(UTC) + timedelta(days=day) for day in days)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(last)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        path = tmp_path / f"{name}.{days[1]}.pem"
        path.write_bytes(
            key.private_bytes(encoding, form, plain) + certificate.public_bytes(encoding)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return str(path), context

    return make

"""One token is accepted once, by however many servers: real ones, on one database, killed too."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import condition, observation, patient, prefetch
from fhir_calls import body
from tokens import PATH, PUBLIC, jwk, jwks, token

from cds_service.store import Database
from cds_service.store.migrations import migrate
from tests.store.conftest import postgresql_server, postgresql_url, sqlite_url

__all__ = ["postgresql_server", "postgresql_url", "sqlite_url"]

SENDS = 1000
SECONDS_TO_START = 60
ENVIRONMENT = {
    "CDS_AUTH": "required",
    "CDS_WORKERS": "2",
    "CDS_THREADS": "4",  # below 16 nobody is turned away: whoever comes waits for a thread
    "CDS_LOG_LEVEL": "error",
}
REGISTRY = f"""
[clients.demo.trust]
issuer = "https://ehr.example.org"
audiences = ["{PUBLIC}"]
jwks_file = "keys.json"
"""
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)
BODY = json.dumps(body(None, prefetch=CHART)).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, without its date."""

    status: int
    headers: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    def workers(self) -> list[int]:
        """The processes that the master has forked."""
        master = self.process.pid
        return list(map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()))

    def end(self, number: signal.Signals) -> None:
        """Ends the master, and workers that it can no longer end."""
        left = self.workers() if self.process.poll() is None else []
        self.process.send_signal(number)
        self.process.wait(30)
        for worker in left if number == signal.SIGKILL else ():
            with suppress(ProcessLookupError):  # it has noticed
                os.kill(worker, signal.SIGKILL)


Start = Callable[[], Server]


@pytest.fixture(params=["sqlite", "postgresql"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts servers on one database; they are ended with the test."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    database = Database.open(url)
    migrate(database)
    database.close()
    (tmp_path / "clients.toml").write_text(REGISTRY, "utf-8")
    (tmp_path / "keys.json").write_text(json.dumps(jwks(jwk("rsa"))), "utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "CDS_CLIENTS": str(tmp_path / "clients.toml"),
        "CDS_DATABASE_URL": url,
        **ENVIRONMENT,
    }
    started: list[Server] = []

    def serve() -> Server:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        started.append(Server(process, port))
        return started[-1]

    yield serve
    for server in started:
        if server.process.poll() is None:
            server.end(signal.SIGTERM)


@pytest.fixture(autouse=True)
def enough_files() -> Iterator[None]:
    """A thousand connections at a time need as many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_for(*servers: Server) -> None:
    """Waits until all of them answer."""
    end = time.monotonic() + SECONDS_TO_START
    for server in servers:
        while True:
            try:
                socket.create_connection(("127.0.0.1", server.port), 1).close()
                break
            except OSError:
                assert server.process.poll() is None, "the server did not start"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.05)


def send(text: str, times: int, *servers: Server) -> list[Answer]:
    """Sends one token at the same time over so many connections."""

    async def all_at_once() -> list[Answer]:
        are_open = asyncio.Barrier(times)
        return await asyncio.gather(
            *(_send(text, servers[number % len(servers)], are_open) for number in range(times))
        )

    return asyncio.run(all_at_once())


async def _send(text: str, server: Server, are_open: asyncio.Barrier) -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: cds\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {text}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    try:
        await are_open.wait()
        writer.write(head.encode() + BODY)
        headers = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"Content-Length: ([0-9]+)", headers)
        assert found is not None
        content = await reader.readexactly(int(found[1]))
    finally:
        writer.close()
    return Answer(int(headers[9:12]), re.sub(rb"Date: [^\r]*\r\n", b"", headers), content)


def statuses(answers: list[Answer]) -> dict[int, int]:
    """How many answers had which status."""
    return dict(Counter(answer.status for answer in answers))


def test_one_token_sent_a_thousand_times(start: Start) -> None:
    """Two servers with two workers each accept it once; killed and started anew, never again."""
    first, second = start(), start()
    wait_for(first, second)
    text = token()
    answers = send(text, SENDS, first, second)
    found = statuses(answers)
    assert found.pop(200) == 1
    assert set(found) <= {401, 503}  # a machine that is busy with something else turns some away
    assert len({answer for answer in answers if answer.status == 401}) == 1

    before = first.workers()
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    second.end(signal.SIGKILL)
    third = start()
    wait_for(first, third)
    assert set(statuses(send(text, SENDS, first, third))) <= {401, 503}
    assert not set(before) & set(first.workers())
    for server in (first, third):
        assert statuses(send(token(), 2, server)) == {200: 1, 401: 1}

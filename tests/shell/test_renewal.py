"""Nobody who asks notices that the server is renewed: reloads, restarts, recycling, the end."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from passed_sockets import SECONDS_TO_START, Supervisor
from steady_load import HOOK, SteadyLoad

ROOT = Path(__file__).parents[2]
BODY = (ROOT / "fixtures" / "requests" / "qus.json").read_bytes()
RELOADS, HAND_OVERS, RESTARTS = 8, 2, 5
"""Ten reloads: eight that renew the workers, two that renew everything."""
RECYCLED = 5


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor with a server of two workers."""
    made = Supervisor(tmp_path)
    yield made
    made.close()


def nobody_noticed(load: SteadyLoad, requests: int) -> None:
    """Every request was answered, and each kind of client has asked."""
    assert load.failures == []
    assert load.requests >= requests
    assert all(load.answered[habit.name] for habit in load.habits)
    # A race that HTTP leaves open; rare, or something else is the matter.
    assert load.raced.total() <= 3


def wait_for_other_workers(supervisor: Supervisor, old: set[int]) -> None:
    """Waits until none of the old workers is left, and as many new ones are there."""
    until = time.monotonic() + SECONDS_TO_START
    while (now := supervisor.workers()) & old or len(now) < len(old):
        assert time.monotonic() < until, "the workers are not renewed"
        time.sleep(0.02)


def test_reloads(supervisor: Supervisor) -> None:
    """Ten reloads under load: SIGHUP renews the workers, SIGUSR2 everything; no request fails."""
    supervisor.start()
    masters = {supervisor.pid}
    with SteadyLoad(supervisor.port, BODY) as load:
        for number in range(RELOADS + HAND_OVERS):
            load.wait_for(20)
            if number % 5 == 4:
                supervisor.hand_over()
                masters.add(supervisor.pid)
            else:
                old = supervisor.workers()
                supervisor.send(signal.SIGHUP)
                wait_for_other_workers(supervisor, old)
        load.wait_for(20)
    nobody_noticed(load, 200)
    assert len(masters) == 1 + HAND_OVERS
    assert "Traceback" not in supervisor.log.read_text("utf-8")


def test_restarts(supervisor: Supervisor) -> None:
    """Five restarts on a passed socket: requests wait meanwhile, and each is answered."""
    supervisor.start()
    with SteadyLoad(supervisor.port, BODY) as load:
        for _ in range(RESTARTS):
            load.wait_for(20)
            assert supervisor.stop() == 0
            supervisor.start()
        load.wait_for(20)
    nobody_noticed(load, 120)


def test_recycling(tmp_path: Path) -> None:
    """Workers that are renewed after a few requests lose none."""
    options = "--max-requests 30 --max-requests-jitter 10"
    supervisor = Supervisor(tmp_path, GUNICORN_CMD_ARGS=options)
    try:
        supervisor.start()
        with SteadyLoad(supervisor.port, BODY) as load:
            log = ""
            until = time.monotonic() + SECONDS_TO_START
            while log.count("Autorestarting worker") < RECYCLED and time.monotonic() < until:
                load.wait_for(20)
                log = supervisor.log.read_text("utf-8")
        nobody_noticed(load, 100)
        assert log.count("Autorestarting worker") >= RECYCLED
    finally:
        supervisor.close()


def test_the_end_waits(supervisor: Supervisor) -> None:
    """SIGTERM: a request whose body is still coming is answered, and every answer is recorded."""
    supervisor.start()
    ended: list[int | None] = []
    address = ("127.0.0.1", supervisor.port)
    with closing(socket.create_connection(address, timeout=30)) as slow:
        head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY[:100])
        time.sleep(0.5)
        ending = threading.Thread(target=lambda: ended.append(supervisor.stop()))
        ending.start()
        time.sleep(1.0)
        slow.sendall(BODY[100:])
        response = http.client.HTTPResponse(slow)
        response.begin()
        assert response.status == 200
        assert json.loads(response.read())["cards"]
    ending.join()
    assert ended == [0]
    (file,) = supervisor.folder.glob(".local/state/cds-service/cds-service.db")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM decision").fetchone() == (1,)


def test_another_release(tmp_path: Path) -> None:
    """SIGUSR2 starts the release that the link points to; a broken set-up ends nothing."""
    clients, link = tmp_path / "clients.toml", tmp_path / "current"
    for name in ("first", "second"):
        _release(tmp_path / name)
    link.symlink_to("first")
    python = str(link / "bin" / "python")
    supervisor = Supervisor(tmp_path, python=python, CDS_CLIENTS=str(clients), CDS_WORKERS="1")
    try:
        clients.write_text("[clients.demo]\n", "utf-8")
        supervisor.start()
        clients.unlink()
        old = supervisor.workers()
        supervisor.send(signal.SIGHUP)
        wait_for_other_workers(supervisor, old)
        link.unlink()
        link.symlink_to("second")
        supervisor.send(signal.SIGUSR2)
        until = time.monotonic() + SECONDS_TO_START
        while f"there is no file {clients}" not in supervisor.log.read_text("utf-8"):
            assert time.monotonic() < until, "the second master did not try"
            time.sleep(0.05)
        with SteadyLoad(supervisor.port, BODY) as load:
            load.wait_for(5)
            clients.write_text("[clients.demo]\n", "utf-8")
            while len(supervisor.workers()) > 1:  # the one that could not start is still there
                assert time.monotonic() < until + SECONDS_TO_START
                time.sleep(0.05)
            supervisor.hand_over()
            load.wait_for(5)
        assert load.failures == []
        before, _, after = supervisor.log.read_text("utf-8").partition("there is no file")
        assert "release first" in before
        assert "release second" in after
    finally:
        supervisor.close()


def _release(folder: Path) -> None:
    """An environment with this program in it, that says its name when Python starts in it."""
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "lent.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n", "utf-8")
    says = f"import sys\nprint('release {folder.name}', file=sys.stderr, flush=True)\n"
    (site / "sitecustomize.py").write_text(says, "utf-8")


def test_development_takes_no_public_socket(tmp_path: Path) -> None:
    """A passed socket goes before CDS_HOST, but development still serves this machine only."""
    supervisor = Supervisor(tmp_path, host="0.0.0.0")  # noqa: S104 - the very thing that is refused
    try:
        assert supervisor.launch().wait(SECONDS_TO_START) == 1
        log = supervisor.log.read_text("utf-8")
        assert f"was passed a socket on 0.0.0.0:{supervisor.port}" in log
    finally:
        supervisor.close()


def test_activated_by_systemd(tmp_path: Path) -> None:
    """systemd's own tool opens the socket, and the first connection starts the server."""
    if shutil.which("systemd-socket-activate") is None:
        pytest.skip("systemd-socket-activate is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "CDS_WORKERS": "1",
        "CDS_AS_OF": "2026-11-23",
    }
    command = ["systemd-socket-activate", "--listen", f"127.0.0.1:{port}"]
    command += [f"--setenv={name}={value}" for name, value in given.items()]
    command += [sys.executable, "-c", "from cds_service.cli import main; main()", "serve"]
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=written, cwd=tmp_path)
    try:
        until = time.monotonic() + SECONDS_TO_START
        while "Listening on" not in log.read_text("utf-8"):
            assert time.monotonic() < until
            time.sleep(0.02)
        with closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_START)
        ) as connection:
            connection.request("POST", HOOK, BODY, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200
        process.terminate()
        assert process.wait(30) == 0
        assert "listens on sockets that were passed on" in log.read_text("utf-8")
    finally:
        process.kill()
        process.wait()

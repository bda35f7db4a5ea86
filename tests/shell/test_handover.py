"""What gunicorn leaves open when sockets come from outside and go on to a successor."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cds_service import handover
from cds_service.config import is_loopback


@pytest.mark.parametrize(
    ("environment", "inherits"),
    [
        ({}, False),
        ({"LISTEN_FDS": "1"}, False),
        ({"LISTEN_PID": str(os.getpid())}, False),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, False),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}, True),
    ],
)
def test_sockets_are_for_one_process(environment: dict[str, str], inherits: bool) -> None:
    """Sockets count only for the process that they were passed to."""
    assert handover.inherits_sockets(environment) is inherits


def test_only_other_machines_count(tmp_path: Path) -> None:
    """Of passed sockets those that other machines reach are named; a Unix socket is none."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as here,
        closing(socket.create_server(("0.0.0.0", 0))) as everywhere,  # noqa: S104
        closing(socket.socket(socket.AF_UNIX)) as unix,
    ):
        unix.bind(str(tmp_path / "socket"))
        found = handover.beyond_this_machine([here, everywhere, unix], is_loopback)
        assert found == [f"0.0.0.0:{everywhere.getsockname()[1]}"]


@pytest.mark.parametrize(
    ("arguments", "then"),
    [
        (
            ["python", "/lib/gunicorn/__main__.py", "--config", "c.py"],
            [sys.executable, "-m", "gunicorn", "--config", "c.py"],
        ),
        (["python", "/bin/gunicorn", "--config", "c.py"], None),
    ],
)
def test_a_successor_finds_the_modules_of_python(
    arguments: list[str], then: list[str] | None
) -> None:
    """Started as a module, gunicorn is started as a module again; a script stays a script."""
    server: Any = SimpleNamespace(START_CTX={"args": arguments}, systemd=False, LISTENERS=[])
    handover.before_exec(server)
    assert server.START_CTX["args"] == (then or arguments)


@pytest.mark.parametrize(
    ("parent", "environment", "signalled"),
    [
        (0, {"NOTIFY_SOCKET": "/run/none"}, False),  # an ordinary start
        (4711, {}, False),  # SIGUSR2 without systemd: the operator ends one of them
        (4711, {"NOTIFY_SOCKET": "/run/none"}, True),
    ],
)
def test_only_systemd_lets_the_old_one_go(
    parent: int, environment: dict[str, str], signalled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new master ends the old one where the supervisor can be told of it, and only there."""
    ended: list[int] = []
    told: list[str] = []
    monkeypatch.setattr("os.kill", lambda pid, number: ended.append(pid))
    monkeypatch.setattr("gunicorn.systemd.sd_notify", lambda state, log: told.append(state))
    server = SimpleNamespace(master_pid=parent, pid=4712, log=None)
    handover.take_over(server, environment)
    assert ended == ([4711] if signalled else [])
    assert told == (["MAINPID=4712\nREADY=1"] if signalled else [])

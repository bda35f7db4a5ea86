"""Listening sockets that come from outside and go on to a successor: what gunicorn leaves open.

A supervisor such as systemd may open the sockets and pass them on (LISTEN_FDS). At SIGUSR2 a
master of gunicorn starts another one on the same sockets, with new code; under systemd the old one
then goes, so that `systemctl reload` is an upgrade in which no request is lost and nobody waits.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gunicorn import systemd  # type: ignore[import-untyped]

_FIRST = systemd.SD_LISTEN_FDS_START
_OUT_OF_THE_WAY = 64


def inherits_sockets(environment: Mapping[str, str]) -> bool:
    """Whether a supervisor passed listening sockets to this very process."""
    return environment.get("LISTEN_PID") == str(os.getpid()) and bool(environment.get("LISTEN_FDS"))


def beyond_this_machine(listeners: Iterable[Any], is_loopback: Callable[[str], bool]) -> list[str]:
    """Addresses of listening sockets that other machines can reach."""
    names = [listener.getsockname() for listener in listeners]
    # The name of a Unix socket is its path.
    tcp = [name for name in names if isinstance(name, tuple)]
    return [f"{name[0]}:{name[1]}" for name in tcp if not is_loopback(name[0])]


def before_exec(server: Any) -> None:
    """In the child that becomes the new master: what the new program expects of its surroundings.

    gunicorn starts it by the path of its main module, whose folder would hide modules of Python
    (http); and it announces inherited sockets from descriptor 3 on, where they no longer are.
    """
    arguments = server.START_CTX["args"]
    if len(arguments) > 1 and Path(arguments[1]).name == "__main__.py":
        server.START_CTX["args"] = [sys.executable, "-m", "gunicorn", *arguments[2:]]
    if server.systemd:
        _place([listener.fileno() for listener in server.LISTENERS])


def _place(descriptors: list[int]) -> None:
    """Puts the sockets where LISTEN_FDS says they are: at 3, 4 and so on."""
    copies = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for one in descriptors]
    for one in descriptors:
        os.set_inheritable(one, False)
    for number, copy in enumerate(copies):
        os.dup2(copy, _FIRST + number, inheritable=True)


def take_over(server: Any, environment: Mapping[str, str]) -> None:
    """In a new master that is ready: under systemd, takes the place of the one that started it.

    Elsewhere both stay, until an operator ends one of them: a supervisor that only knows its own
    child would take the end of the old one for the end of the service.
    """
    if server.master_pid and environment.get("NOTIFY_SOCKET"):
        systemd.sd_notify(f"MAINPID={server.pid}\nREADY=1", server.log)
        os.kill(server.master_pid, signal.SIGTERM)

"""The folder through which the workers of one server tell their metrics together.

Nothing here imports `prometheus_client` before the folder is there: that library decides at its
import whether it writes files.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Any

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "cds-service-metrics-"
_ADDED_UP = ("counter", "histogram")
_OF_THE_DEAD = "dead"
_TRIES, _PAUSE_S = 50, 0.01


def prepare(environment: MutableMapping[str, str]) -> Path:
    """Makes the folder of this server, empty, and names it to the library.

    Called again by the same server, as at a reload, it gives the same one. Folders that servers
    left behind which were killed are cleared away.
    """
    given = environment.get(VARIABLE, "")
    if _owner_of(Path(given).name) == os.getpid() and os.path.isdir(given):
        return Path(given)
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108
    _clear_away(Path(parent))
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)
    environment[VARIABLE] = folder
    return Path(folder)


def folder_of(environment: MutableMapping[str, str]) -> Path | None:
    """The folder in use; None where one process tells its own metrics."""
    given = environment.get(VARIABLE)
    return Path(given) if given and os.path.isdir(given) else None


def remove(environment: MutableMapping[str, str]) -> None:
    """Removes the folder when its server ends; a forked process removes nothing."""
    folder = folder_of(environment)
    if folder is not None and _owner_of(folder.name) == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path, *, alone: bool) -> Iterator[None]:
    """The folder while nobody adds up in it, or to add up in it alone.

    Who wants it alone is the master: it waits for a moment only, and then goes on, since a worker
    that hangs must not hold up a server. Some numbers may then be told twice, once.
    """
    with (folder / "lock").open("ab") as lock:
        if not alone:
            fcntl.flock(lock, fcntl.LOCK_SH)
        for _ in range(_TRIES if alone else 0):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                sleep(_PAUSE_S)
        yield


def bury(folder: Path, pid: int) -> None:
    """Adds what a worker counted to what all former workers counted, and forgets its state.

    Without this each worker that is renewed would leave its files behind for good.
    """
    from prometheus_client import mmap_dict

    values: Any = mmap_dict.MmapedDict
    with held(folder, alone=True):
        for kind in _ADDED_UP:
            left = folder / f"{kind}_{pid}.db"
            if not left.exists():
                continue
            sums = values(str(folder / f"{kind}_{_OF_THE_DEAD}.db"))
            for key, value, _, _ in values.read_all_values_from_file(str(left)):
                sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
            sums.close()
            left.unlink()
        for gauge in folder.glob(f"gauge_*_{pid}.db"):
            gauge.unlink()


def _clear_away(parent: Path) -> None:
    for one in parent.glob(f"{_PREFIX}*"):
        owner = _owner_of(one.name)
        with suppress(OSError):
            status = one.lstat()
            is_ours = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
            if is_ours and owner is not None and (owner == os.getpid() or not _is_alive(owner)):
                shutil.rmtree(one, ignore_errors=True)


def _owner_of(name: str) -> int | None:
    """The process whose folder it is by its name."""
    number = name.removeprefix(_PREFIX).partition("-")[0]
    return int(number) if name.startswith(_PREFIX) and number.isdigit() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

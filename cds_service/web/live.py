"""The deployment as its files say it now: an edit is taken up without a restart."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from time import monotonic, time
from typing import TypeAlias

from cds_service.engine.deployment import Deployment, Load
from cds_service.registry import RegistryError

LOOK_EVERY_S = 2.0
_Signature: TypeAlias = tuple[int, int, int]
_log = logging.getLogger("cds_service.registry")


class Live:
    """The deployment of one process.

    Looks now and then whether the registry, or a file of keys that it names, has changed, and
    reads them in the background. A file that is wrong changes nothing: the problems are logged,
    the last good state stays.
    """

    def __init__(self, path: Path | None, load: Load) -> None:
        """Reads the file for the first time; raises RegistryError."""
        # Before it is read: what is edited meanwhile is read again.
        self._seen: tuple[_Signature | None, ...] = (_signature(path),)
        self._deployment = load()
        self._path = path
        self._load = load
        self._looking = threading.Lock()
        self._reading = threading.Lock()
        self._next_look: float | None = None
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now; empty when it is in use."""
        self.taken_up, self.refused = 0, 0
        """How often an edit was taken up, and refused."""
        self.read_at = time()
        """When the registry in use was read, on the wall clock."""

    @property
    def deployment(self) -> Deployment:
        """The present one."""
        if self._path is not None and (self._next_look is None or monotonic() >= self._next_look):
            self._look()
        return self._deployment

    def reload(self) -> None:
        """Reads the file now."""
        with self._reading:  # one after the other, so that the newest comes last
            try:
                self._deployment = self._load()
                self.problems = ()
                self.taken_up += 1
                self.read_at = time()
                _log.info("the registry was read anew")
            except RegistryError as error:
                self.problems = error.problems
                self.refused += 1
                for problem in error.problems:
                    _log.error("the registry as it is now is not used: %s", problem)

    def _look(self) -> None:
        """Has a file that was changed read in the background.

        The first look of a process waits for it: a worker is forked from a server that may have
        read the file long ago, with clients that have been removed since.
        """
        if not self._looking.acquire(blocking=self._next_look is None):
            return
        try:
            if self._next_look is None:
                self._read_if_changed(in_background=False)
            elif monotonic() >= self._next_look:
                self._read_if_changed(in_background=True)
        finally:
            self._next_look = monotonic() + LOOK_EVERY_S
            self._looking.release()

    def _read_if_changed(self, *, in_background: bool) -> None:
        found = (_signature(self._path), *map(_signature, self._key_files()))
        if found == self._seen:
            return
        if in_background:
            try:
                threading.Thread(target=self.reload, daemon=True).start()
            except RuntimeError:  # no thread to be had: the next look tries again
                return
        else:
            self.reload()
        self._seen = found

    def _key_files(self) -> list[Path]:
        """The files of keys that the present registry names; a new one is seen at the next look."""
        named = [item.trust.get("jwks_file") for item in self._deployment.registry.clients.values()]
        return [Path(name) for name in named if name is not None]


def _signature(path: Path | None) -> _Signature | None:
    """What changes when a file does; None when it cannot be seen."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status else None

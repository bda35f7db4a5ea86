"""The deployment as the registry file says it now: an edit is taken up without a restart."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from time import monotonic

from cds_service.engine.deployment import Deployment, Load
from cds_service.registry import RegistryError

LOOK_EVERY_S = 2.0
_log = logging.getLogger("cds_service.registry")


class Live:
    """The deployment of one process.

    Looks now and then whether the file has changed and reads it in the background. A file that is
    wrong changes nothing: the problems are logged, the last good state stays.
    """

    def __init__(self, first: Deployment, path: Path | None, load: Load) -> None:
        self._deployment = first
        self._path = path
        self._load = load
        self._lock = threading.Lock()
        self._seen = _signature(path)
        self._next_look = 0.0
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now; empty when it is in use."""

    @property
    def deployment(self) -> Deployment:
        """The present one."""
        if self._path is not None and monotonic() >= self._next_look:
            self._look()
        return self._deployment

    def reload(self) -> None:
        """Reads the file now."""
        try:
            self._deployment = self._load()
            self.problems = ()
            _log.info("the registry was read anew")
        except RegistryError as error:
            self.problems = error.problems
            for problem in error.problems:
                _log.error("the registry as it is now is not used: %s", problem)

    def _look(self) -> None:
        with self._lock:
            self._next_look = monotonic() + LOOK_EVERY_S
            found = _signature(self._path)
            if found == self._seen:
                return
            self._seen = found
        threading.Thread(target=self.reload, daemon=True).start()


def _signature(path: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file does; None when it cannot be seen."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status else None

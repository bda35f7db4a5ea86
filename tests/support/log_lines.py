"""The log as the process writes it, line by line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cds_service.logs import Formatter


@dataclass
class Written:
    """What was written while listening, as JSON objects and as text."""

    text: io.StringIO = field(default_factory=io.StringIO)

    def of(self, logger: str) -> list[dict[str, Any]]:
        """The lines of one logger, without what differs from run to run."""
        lines = [json.loads(line) for line in self.text.getvalue().splitlines()]
        return [
            {k: v for k, v in line.items() if k not in ("time", "pid", "ms", "correlation_id")}
            for line in lines
            if line["logger"] == logger
        ]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line as it is."""
        return [json.loads(line) for line in self.text.getvalue().splitlines()]


@contextmanager
def written(form: str = "json", level: int = logging.DEBUG) -> Iterator[Written]:
    """Listens to everything that is logged, at any level, through the process's own formatter."""
    found = Written()
    handler = logging.StreamHandler(found.text)
    handler.setFormatter(Formatter(form))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield found
    finally:
        root.setLevel(before)
        root.removeHandler(handler)

"""A point of the monotonic clock by which everything has to be over."""

from __future__ import annotations

import time

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """When time is up, in seconds of `time.monotonic`."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether time is up."""
        return time.monotonic() >= self.at

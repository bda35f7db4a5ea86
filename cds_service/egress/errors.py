"""Why an outgoing request brought nothing, in fixed words without address, token or value."""

from __future__ import annotations


class EgressError(Exception):
    """A request that brought no reply; `reason` is short and holds nothing of the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(EgressError):
    """It must not be sent: no byte left this machine."""


class Failed(EgressError):
    """It was tried: the network or the other side is at fault.

    `may_pass` says that the same request may well succeed a moment later.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class Busy(EgressError):
    """It is not even tried: too many calls to this server are under way, or it has been failing."""

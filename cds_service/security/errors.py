"""Why a token is not accepted: told to the log and to the operator, never to the caller."""

from __future__ import annotations


class Rejected(Exception):
    """A token that proves nothing; `reason` is a stable code without any value of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeysUnusable(Exception):
    """A document that is no set of keys; the text says what is wrong with it."""

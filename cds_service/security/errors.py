"""Why a token is not accepted: told to the log and to the operator, never to the caller."""

from __future__ import annotations


class Rejected(Exception):
    """A token that proves nothing; `reason` is a stable code without any value of the token.

    `client` is whose it says it is, by the registry's name; None when that is nobody's.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.client: str | None = None


class KeysUnusable(Exception):
    """A document that is no set of keys; the text says what is wrong with it."""

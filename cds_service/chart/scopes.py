"""SMART scopes in both grammars: what an access token is granted to read."""

from __future__ import annotations

import re
from enum import Enum

from cds_service.values import dataclass

_SCOPE = re.compile(
    r"(?:patient|user|system)/(?P<type>\*|[A-Za-z]+)\.(?P<may>read|write|\*|c?r?u?d?s?)(?P<only>\?.+)?"
)
_BOTH = ("read", "*")
"""SMART 1 does not tell reading from searching."""


class Grant(Enum):
    """How far one kind of access is granted."""

    WHOLE = "granted"
    RESTRICTED = "granted for some resources only"
    NONE = "not granted"


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes of one token, as (type, may, is restricted)."""

    granted: tuple[tuple[str, str, bool], ...]

    def read(self, resource_type: str) -> Grant:
        """Whether one resource may be read by its id."""
        return self._grant(resource_type, "r")

    def search(self, resource_type: str) -> Grant:
        """Whether resources of a type may be searched."""
        return self._grant(resource_type, "s")

    def _grant(self, resource_type: str, letter: str) -> Grant:
        found = {
            is_restricted
            for kind, may, is_restricted in self.granted
            if kind in ("*", resource_type) and (may in _BOTH or (may != "write" and letter in may))
        }
        if False in found:
            return Grant.WHOLE
        return Grant.RESTRICTED if found else Grant.NONE


def read_scopes(text: str) -> Scopes:
    """The scopes in a space-separated list: `user/Observation.read`, `patient/*.rs`, and so on.

    A scope that ends in search parameters grants only the resources that match them. What is no
    scope for FHIR resources grants nothing here.
    """
    found = (_SCOPE.fullmatch(scope) for scope in text.split())
    return Scopes(tuple((one["type"], one["may"], bool(one["only"])) for one in found if one))

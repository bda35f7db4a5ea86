"""Why a hook request is refused: the errors of the protocol."""

from __future__ import annotations

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a document: where (a JSON path) and what.

    The text is made of words of the schema only, never of values of the document.
    """

    path: str
    text: str


class ProtocolError(Exception):
    """A request that this service does not answer."""


class InvalidRequest(ProtocolError):
    """JSON, but not a valid request for this service (CDS Hooks client's mistake)."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.text}" for problem in problems))
        self.problems = problems


class WrongPatient(ProtocolError):
    """Data of another patient than `context.patientId`; `places` are JSON paths."""

    def __init__(self, places: tuple[str, ...]) -> None:
        super().__init__("data of another patient at " + ", ".join(places))
        self.places = places

"""Error bodies: FHIR OperationOutcome resources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: a code of FHIR's issue types, words, and the JSON path it is about."""

    code: str
    text: str
    place: str | None = None
    severity: str = "error"


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome without empty members; without issues it says that much."""
    listed = tuple(issues) or (Issue("unknown", "No details"),)
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in listed]}


def _issue(issue: Issue) -> dict[str, Any]:
    found: dict[str, Any] = {"severity": issue.severity, "code": issue.code}
    if issue.text:
        found["diagnostics"] = issue.text
    if issue.place:
        found["expression"] = [issue.place]
    return found

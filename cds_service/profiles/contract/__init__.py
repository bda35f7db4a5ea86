"""What an answer breaks of the rules of the client that will read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.profiles.contract import epic, sandbox, standard
from cds_service.profiles.contract.places import Rule

__all__ = ["RULES", "violations"]

RULES: Mapping[str, tuple[Rule, ...]] = {
    "standard": standard.RULES,
    "epic": (*standard.RULES, *epic.RULES),
    "sandbox": (*standard.RULES, *sandbox.RULES),
}
"""By name of the profile; every client is owed CDS Hooks 2.0.1."""


def violations(profile: str, response: Mapping[str, Any]) -> tuple[str, ...]:
    """Every broken rule of a profile, each as `JSON path: what is wrong`, in order of place.

    The texts hold no value of the response: they may go to a log.
    """
    return tuple(sorted({text for rule in RULES[profile] for text in rule(response)}))

"""The threat table is true: every threat has a control and a test, or says what is missing."""

from __future__ import annotations

import re

import pytest
from documents import ROOT, cited, dangling, is_test, rows

SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")
THREATS = {cells[0]: cells[1:] for cells in rows(SECURITY, r"T-\d\d")}
OPEN = ("Not covered: ", "Left to the deployer: ")


def test_every_threat_has_one_row() -> None:
    """The 38 threats of the model stand there once each, in their order."""
    found = [cells[0] for cells in rows(SECURITY, r"T-\d\d")]
    assert found == [f"T-{number:02}" for number in range(1, 39)]


@pytest.mark.parametrize("threat", THREATS)
def test_threat(threat: str) -> None:
    """A row names controls and tests that exist, or says in words that there is none."""
    what, control, *rest = THREATS[threat]
    tests = cited(rest[0] if rest else "")
    assert len(what) > 20
    if control.startswith(OPEN):
        assert len(control) > 60, "say what is missing, and what to do instead"
    else:
        assert cited(control), "no control in the tree"
        assert tests, "no test"
    assert [name for name in tests if not is_test(name)] == []
    assert [problem for name in (*cited(control), *tests) if (problem := dangling(name))] == []


def test_what_is_left_to_the_deployer() -> None:
    """TLS, network, secrets, database encryption: said to be the deployer's, with a link."""
    section = SECURITY.split("## What is left to the deployer")[1].split("\n## ")[0]
    for word in ("TLS", "Network", "Secrets", "Encryption of the database"):
        assert re.search(rf"^\| {word}.*\]\(", section, re.MULTILINE), word

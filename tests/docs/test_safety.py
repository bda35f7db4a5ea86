"""The safety file is true: every hazard has a control and a test that exist."""

from __future__ import annotations

import re

import pytest
from documents import ROOT, cited, dangling, is_test

LOG = (ROOT / "docs" / "hazard-log.md").read_text("utf-8")
SAFETY = (ROOT / "SAFETY.md").read_text("utf-8")
FIELDS = ("Cause", "Effect on the patient", "Before", "Controls", "Tests", "Remains")
SEVERITIES = ("minor", "significant", "considerable", "major", "catastrophic")
LIKELIHOODS = ("very low", "low", "medium", "high", "very high")


def hazards() -> dict[str, str]:
    """The text of each hazard by its id."""
    parts = re.split(r"^## (H-\d\d) .+$", LOG, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def field(text: str, name: str) -> str:
    """One line of a hazard."""
    found = re.search(rf"^- \*\*{name}:\*\* (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def test_hazards_are_numbered_without_gaps() -> None:
    """No hazard is dropped silently, and none has the number of another."""
    numbers = re.findall(r"^## (H-\d\d) ", LOG, re.MULTILINE)
    assert numbers == [f"H-{number:02}" for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= 15


@pytest.mark.parametrize("hazard", hazards())
def test_hazard(hazard: str) -> None:
    """Each hazard says everything it has to, with a control and a test that are there."""
    text = hazards()[hazard]
    assert [name for name in FIELDS if not field(text, name)] == []
    controls, tests = cited(field(text, "Controls")), cited(field(text, "Tests"))
    assert controls, "no control"
    assert [name for name in controls if is_test(name)] == []
    assert tests, "no test"
    assert [name for name in tests if not is_test(name)] == []
    assert [problem for name in cited(text) if (problem := dangling(name))] == []


@pytest.mark.parametrize("hazard", hazards())
def test_risk(hazard: str) -> None:
    """Severity and likelihood are in the words of the log, and controls make nothing worse."""
    line = re.search(
        r"\*\*Before:\*\* ([\w ]+), ([\w ]+)\. \*\*After:\*\* ([\w ]+), ([\w ]+)\.",
        hazards()[hazard],
    )
    assert line is not None
    assert line[1] in SEVERITIES
    assert SEVERITIES.index(line[3]) <= SEVERITIES.index(line[1])
    assert LIKELIHOODS.index(line[4]) <= LIKELIHOODS.index(line[2])


def test_citations_of_the_safety_file() -> None:
    """What the safety file names is there."""
    assert [problem for name in cited(SAFETY) if (problem := dangling(name))] == []


def test_what_a_dangling_citation_is() -> None:
    """A file, a function, a method or a test that is not there is found."""
    good = (
        "`cds_service/chart/patient_gate.py::check_subjects` `tests/docs/test_safety.py::test_risk`"
    )
    assert [problem for name in cited(good) if (problem := dangling(name))] == []
    bad = "`cds_service/no.py` `cds_service/control.py::Switches.fly` `tests/a/test_b.py::test_c`"
    assert [dangling(name) is None for name in cited(bad)] == [False, False, False]


def test_missing_review_is_said() -> None:
    """Whoever opens the safety file reads first that nobody has reviewed the content."""
    assert "No clinician" in SAFETY.splitlines()[2]
    assert "No clinician has confirmed them" in LOG

"""Feedback as the specification, Epic and the public sandbox write it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.protocol.errors import InvalidRequest
from cds_service.protocol.feedback import (
    MAX_COMMENT,
    MAX_ITEMS,
    Feedback,
    OverrideReason,
    read_feedback,
)

SANDBOX = Path(__file__).parents[2] / "fixtures/sandbox"
AT = datetime(2026, 11, 23, 4, 15, 14, 484000, UTC)
OVERRIDDEN: dict[str, Any] = {
    "card": "c",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-11-23T04:15:14.484Z",
}
ACCEPTED = {**OVERRIDDEN, "outcome": "accepted", "acceptedSuggestions": [{"id": "s"}]}
REASON = {"code": "no", "system": "urn:x", "display": "Not now"}
EPIC = "com.epic.cdshooks.feedback.overrideReason"
BUILT = {
    f"{EPIC}.reasonCategory": "45",
    f"{EPIC}.reasonDisplay": "Does not apply",
    f"{EPIC}.reasonTitle": "Does not apply",
}
READ = OverrideReason("no", "urn:x", "Not now")
READ_BUILT = OverrideReason("45", EPIC, "Does not apply")


def one(item: dict[str, Any]) -> Feedback:
    """The feedback of a batch of one."""
    (found,) = read_feedback({"feedback": [item]})
    return found


@pytest.mark.parametrize(
    ("members", "reasons", "comment"),
    [
        ({}, (), None),
        ({"overrideReason": {"reason": REASON}}, (READ,), None),
        ({"overrideReason": {"reason": {"code": "no"}}}, (OverrideReason("no"),), None),
        ({"overrideReason": {"userComment": " why "}}, (), "why"),
        ({"overrideReason": {"reason": REASON, "userComment": "why"}}, (READ,), "why"),
        ({"overrideReason": None, "extension": None}, (), None),
        ({"overrideReason": {"reason": None, "userComment": None}}, (), None),
        ({"overrideReasons": {"reason": REASON, "userComment": "why"}}, (READ,), "why"),
        ({"overrideReasons": {"extension": BUILT, "userComment": "why"}}, (READ_BUILT,), "why"),
        ({"overrideReasons": {"reason": {**REASON, "extension": BUILT}}}, (READ, READ_BUILT), None),
        ({"extension": BUILT}, (READ_BUILT,), None),
        ({"extension": {"com.example.other": 1}}, (), None),
        ({"overrideReasons": [{"reason": REASON}, {"extension": BUILT}]}, (READ, READ_BUILT), None),
        (
            {"overrideReason": {"reason": REASON}, "overrideReasons": {"reason": REASON}},
            (READ,),
            None,
        ),
        ({"overrideReason": {"userComment": "x" * 5000}}, (), "x" * (MAX_COMMENT - 1) + "…"),
        ({"overrideReason": {"userComment": "a\u0000\ud800b"}}, (), "a?b"),
    ],
)
def test_shapes_of_a_reason(
    members: dict[str, Any], reasons: tuple[OverrideReason, ...], comment: str | None
) -> None:
    """Singular, plural, built by the EHR, in any mixture; comments are cut, never refused."""
    found = one({**OVERRIDDEN, **members})
    assert (found.reasons, found.comment, found.at) == (reasons, comment, AT)


@pytest.mark.parametrize(
    "sent",
    [
        "2026-11-23T04:15:14.484Z",
        "2026-11-23t04:15:14.484z",
        "2026-11-23T04:15:14.484000000Z",
        "2026-11-23T06:15:14.484+02:00",
    ],
)
def test_one_moment_in_all_its_spellings(sent: str) -> None:
    """The same moment is the same fingerprint, and so are ids in another order or in capitals."""
    ids = [{"id": "B"}, {"id": "a"}]
    item = {**ACCEPTED, "outcomeTimestamp": sent, "card": "C", "acceptedSuggestions": ids}
    usual = one({**ACCEPTED, "acceptedSuggestions": [{"id": "a"}, {"id": "b"}]})
    assert one(item) == usual
    assert one(item).fingerprint("x", "y") == usual.fingerprint("x", "y")
    assert usual.fingerprint("x", "y") != usual.fingerprint("xy", "")


@pytest.mark.parametrize(
    ("item", "path", "text"),
    [
        ({**OVERRIDDEN, "card": None}, ".card", "must be a string"),
        ({**OVERRIDDEN, "card": ""}, ".card", "must not be empty"),
        ({"card": "c", "outcome": "overridden"}, ".outcomeTimestamp", "missing property"),
        ({**OVERRIDDEN, "outcome": "ignored"}, ".outcome", "must be one of"),
        ({**OVERRIDDEN, "outcome": "accepted"}, ".acceptedSuggestions", "missing property"),
        ({**ACCEPTED, "acceptedSuggestions": []}, ".acceptedSuggestions", "must not be empty"),
        ({**ACCEPTED, "acceptedSuggestions": ["s"]}, ".acceptedSuggestions[0]", "an object"),
        ({**ACCEPTED, "acceptedSuggestions": [{}]}, ".acceptedSuggestions[0].id", "missing"),
        ({**OVERRIDDEN, "outcomeTimestamp": "2026-11-23"}, ".outcomeTimestamp", "date-time"),
        ({**OVERRIDDEN, "outcomeTimestamp": "2026-11-23T04:15:14"}, ".outcomeTimestamp", "date-"),
        ({**OVERRIDDEN, "outcomeTimestamp": "0001-01-01T00:00:00+05:00"}, ".outcomeT", "moment"),
        ({**OVERRIDDEN, "overrideReason": "no"}, ".overrideReason", "must be an object"),
        ({**OVERRIDDEN, "overrideReasons": ["no"]}, ".overrideReasons[0]", "must be an object"),
        (
            {**OVERRIDDEN, "overrideReason": {"reason": {}}},
            ".overrideReason.reason.code",
            "missing",
        ),
        ("x", "", "must be an object"),
    ],
)
def test_every_problem_has_its_place(item: Any, path: str, text: str) -> None:
    """A batch with one bad item is refused, and the item is named."""
    with pytest.raises(InvalidRequest) as error:
        read_feedback({"feedback": [OVERRIDDEN, item]})
    (problem,) = error.value.problems
    assert problem.path.startswith(f"$.feedback[1]{path}")
    assert text in problem.text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.feedback"),
        (OVERRIDDEN, "$.feedback"),  # a known client forgets what is around it
        ({"feedback": OVERRIDDEN}, "$.feedback"),
        ({"feedback": []}, "$.feedback"),
        ({"feedback": [OVERRIDDEN] * (MAX_ITEMS + 1)}, "$.feedback"),
    ],
)
def test_the_envelope(body: dict[str, Any], path: str) -> None:
    """Around the items there is an object with a list, of no more than 500."""
    with pytest.raises(InvalidRequest) as error:
        read_feedback(body)
    assert [problem.path for problem in error.value.problems] == [path]


@pytest.mark.parametrize(
    "path", sorted(SANDBOX.glob("1[012]-feedback-*.json")), ids=lambda p: p.stem
)
def test_recordings_of_the_sandbox(path: Path) -> None:
    """What the public sandbox really sends is understood."""
    recorded = json.loads(path.read_text("utf-8"))["body"]
    (sent,) = recorded["feedback"]
    found = one(sent)
    assert (found.card, found.outcome) == (sent["card"], sent["outcome"])
    reason = sent.get("overrideReason", {}).get("reason")
    assert found.reasons == ((OverrideReason(reason["code"], reason["system"]),) if reason else ())


def test_words_stay_out_of_the_log() -> None:
    """What a clinician wrote does not get into a representation."""
    shown = repr(one({**OVERRIDDEN, "overrideReason": {"reason": REASON, "userComment": "why"}}))
    assert "why" not in shown
    assert "Not now" not in shown


def test_the_largest_batch_is_read_in_time() -> None:
    """500 items are checked in a fraction of a second."""
    began = time.perf_counter()
    assert len(read_feedback({"feedback": [ACCEPTED] * MAX_ITEMS})) == MAX_ITEMS
    assert time.perf_counter() - began < 2

"""Decisions and feedback on both databases: batches, repeats, quarantine, retention."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stored
from sqlalchemy import event

from cds_service.protocol.feedback import Feedback, OverrideReason
from cds_service.store import (
    Database,
    DecisionLog,
    FeedbackLog,
    Kept,
    NotTheirCard,
    StoreError,
)

NOW = stored.NOON
MINE: Any = {"client": "a", "service": "s"}
JUDGEMENT = replace(
    stored.JUDGED,
    modifiers=("vfa-criteria-met",),
    reasons=("one", "two"),
    suggestions=("s-1", "s-2"),
)
DECISION = replace(
    stored.CALL,
    declined={"not-bone-density": 2},
    unread=("Condition",),
    ignored={"entered-in-error": 1},
    judgements=(JUDGEMENT, replace(JUDGEMENT, card=None, indicator=None, suggestions=())),
)
ITEM = Feedback(
    card="card-1",
    outcome="overridden",
    at=NOW,
    reasons=(OverrideReason("no", "urn:x", "Nö"), OverrideReason("other")),
    comment="Später",
)


def test_a_decision_comes_back(database: Database) -> None:
    """What was written is read again; a card is counted as often as it was shown."""
    log = DecisionLog(database)
    later = replace(DECISION, id="d-2", at=NOW + timedelta(seconds=1))
    log.add([DECISION, later])
    assert log.of_card("card-1") == (later, 2)
    assert log.of_card("card-2") is None
    log.add([])


@pytest.mark.parametrize("count", [3, 37, 300])
def test_many_decisions_in_few_statements(database: Database, count: int) -> None:
    """Each of many is there, written by statements of few different lengths."""
    log = DecisionLog(database)
    made = [
        replace(DECISION, id=f"d-{n}", judgements=(replace(JUDGEMENT, card=f"card-{n}"),))
        for n in range(count)
    ]
    statements: set[str] = set()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.add(statement)

    log.add(made[:1])
    event.listen(database._engine(), "before_cursor_execute", note)
    log.add(made[1:])
    assert [log.of_card(f"card-{n}") for n in range(count)] == [(one, 1) for one in made]
    lengths = {one.count("),(") + 1 for one in statements if one.startswith("INSERT INTO")}
    assert all(length & (length - 1) == 0 for length in lengths)
    assert sum(lengths) >= (count - 1) / 2


def test_decisions_are_kept_together_or_not_at_all(database: Database) -> None:
    """One that cannot be kept keeps the others out: a batch is tried again as a whole."""
    log = DecisionLog(database)
    log.add([DECISION])
    with pytest.raises(StoreError):
        log.add([replace(DECISION, id="d-2", judgements=()), DECISION])
    assert log.of_card("card-1") == (DECISION, 1)


@pytest.mark.parametrize(
    ("batch", "kept"),
    [
        ([ITEM], Kept(0, 1, 0)),
        ([ITEM, ITEM], Kept(0, 2, 0)),
        ([replace(ITEM, comment="another")], Kept(0, 1, 0)),
        ([replace(ITEM, at=NOW + timedelta(milliseconds=1))], Kept(1, 0, 0)),
        ([replace(ITEM, outcome="accepted", suggestions=("x",))], Kept(1, 0, 0)),
        ([replace(ITEM, suggestions=("x",)), replace(ITEM, suggestions=("y",))], Kept(2, 0, 0)),
        ([replace(ITEM, card="card-9")], Kept(1, 0, 1)),
        ([replace(ITEM, card="card-9")] * 3 + [ITEM], Kept(1, 3, 1)),
    ],
)
def test_repeats_count_once(database: Database, batch: list[Feedback], kept: Kept) -> None:
    """Card, outcome, time and suggestions make an outcome; the first of its kind is kept."""
    DecisionLog(database).add([DECISION])
    log = FeedbackLog(database)
    assert log.add([ITEM], **MINE, now=NOW) == Kept(1, 0, 0)
    assert log.add(batch, **MINE, now=NOW) == kept
    assert log.of_card("card-1")[0].feedback == ITEM


@pytest.mark.parametrize("other", [{"client": "b"}, {"service": "t"}])
def test_cards_of_others(database: Database, other: dict[str, str]) -> None:
    """One card of another client or service, and nothing of the batch is kept."""
    DecisionLog(database).add([DECISION])
    log = FeedbackLog(database)
    with pytest.raises(NotTheirCard) as error:
        log.add([replace(ITEM, card="card-9"), ITEM], **{**MINE, **other}, now=NOW)
    assert error.value.positions == (1,)
    assert (log.of_card("card-1"), log.of_card("card-9")) == ((), ())


def test_quarantine_ends_with_the_card(database: Database) -> None:
    """Feedback that came before its card is the card's as soon as that is written."""
    log = FeedbackLog(database)
    assert log.add([ITEM], **MINE, now=NOW) == Kept(1, 0, 1)
    assert log.add([ITEM], client="b", service="s", now=NOW) == Kept(1, 0, 1)
    assert [one.is_unknown for one in log.of_card("card-1")] == [True, True]
    assert log.count_unknown() == 2
    DecisionLog(database).add([DECISION])
    found = {one.client: one.is_unknown for one in log.of_card("card-1")}
    assert found == {"a": False, "b": True}
    assert log.count_unknown() == 1


def test_what_is_old_goes(database: Database) -> None:
    """A batch at a time; judgements go with their decision, feedback by its receipt."""
    decisions, feedback = DecisionLog(database), FeedbackLog(database)
    decisions.add(replace(DECISION, id=f"d-{n}", at=NOW - timedelta(days=n)) for n in range(1, 6))
    for days in range(5):
        item = replace(ITEM, at=NOW + timedelta(days=days))
        feedback.add([item], **MINE, now=NOW - timedelta(days=days))
    before = NOW - timedelta(days=2)
    assert [decisions.prune(before, 2) for _ in range(3)] == [2, 1, 0]
    assert [feedback.prune(before, 1) for _ in range(3)] == [1, 1, 0]
    found = decisions.of_card("card-1")
    assert found is not None
    assert found[1] == 2
    assert len(feedback.of_card("card-1")) == 3

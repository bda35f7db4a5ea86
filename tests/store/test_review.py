"""Reading for reports on both databases: pages, filters, first showings, last outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import stored
from stored import JUDGED, NOON

from cds_service.protocol.feedback import Feedback, OverrideReason
from cds_service.store import (
    AnsweredCall,
    Database,
    DecisionLog,
    Different,
    FeedbackLog,
    Filters,
    JudgedOrder,
    LastOutcome,
    Review,
    review,
)

CALL = replace(
    stored.CALL,
    declined={"no-code": 2},
    unread=("Condition",),
    ignored={"entered-in-error": 1},
)
ITEM = Feedback(card="card-1", outcome="overridden", at=NOON, comment="Später")


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def reading(database: Database, **filters: Any) -> list[AnsweredCall]:
    """Every call that the filters mean."""
    return [*Review(database, Filters(**filters)).calls(page=2)]


@pytest.fixture
def filled(database: Database) -> Database:
    """Five calls: three show one card, one is of another client, one is silent."""
    quiet = replace(JUDGED, patient_order="o-2", indicator=None, silence="x", card=None)
    silent = replace(JUDGED, patient_order="o-3", card=None, suggestions=())
    DecisionLog(database).add(
        [
            CALL,
            # At the same moment: a page ends between the two, and the card counts once.
            replace(CALL, id="d-0", judgements=(quiet, JUDGED)),
            replace(CALL, id="d-2", at=at(1), patient="p-2"),
            replace(CALL, id="d-3", at=at(2), client="b", judgements=()),
            replace(CALL, id="d-4", at=at(3), mode="silent", judgements=(silent,)),
        ]
    )
    return database


def test_a_call_in_codes(filled: Database) -> None:
    """Everything that a report counts comes back, and nothing that names a patient."""
    first = reading(filled)[1]
    assert first == AnsweredCall(
        at=NOON,
        service="s",
        hook="order-select",
        ruleset="1",
        knowledge="k",
        client="a",
        mode="live",
        latency_ms=12.5,
        declined={"no-code": 2},
        unread=("Condition",),
        ignored={"entered-in-error": 1},
        orders=(
            JudgedOrder(
                study="qus",
                scenario="surveillance",
                rating="usually-not-appropriate",
                rating_status="rated",
                timing="on-time",
                rule="qus",
                indicator="warning",
                is_shown=True,
                has_suggestion=True,
            ),
        ),
    )
    named = {"p-1", "p-2", "o-1", "o-2", "o-3", "card-1", "d-1"}
    assert not any(name in repr(reading(filled)) for name in named)


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 6])
def test_pages(filled: Database, page: int) -> None:
    """Wherever a page ends, no call is missed or comes twice, and a card is first once."""
    calls = [*Review(filled, Filters()).calls(page)]
    assert [call.at for call in calls] == [NOON, NOON, at(1), at(2), at(3)]
    orders = [order for call in calls for order in call.orders]
    assert [order.is_shown for order in orders] == [False, True, True, True, False]
    assert [order.is_first for order in orders] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("filters", "minutes", "different"),
    [
        ({}, [0, 0, 1, 2, 3], Different(2, 3, 2)),
        ({"client": "a"}, [0, 0, 1, 3], Different(2, 3, 2)),
        ({"client": "b"}, [2], Different()),
        ({"client": "c"}, [], Different()),
        ({"service": "s"}, [0, 0, 1, 2, 3], Different(2, 3, 2)),
        ({"service": "t"}, [], Different()),
        ({"since": at(1)}, [1, 2, 3], Different(2, 2, 2)),
        ({"until": at(1)}, [0, 0], Different(1, 2, 1)),
        ({"since": at(1), "until": at(3), "client": "a"}, [1], Different(1, 1, 1)),
    ],
)
def test_filters(
    filled: Database, filters: dict[str, Any], minutes: list[int], different: Different
) -> None:
    """Client, service, from a moment on, before a moment: all of them hold for every count."""
    calls = reading(filled, **filters)
    assert [call.at for call in calls] == [at(one) for one in minutes]
    with review(filled, Filters(**filters)) as asked:
        assert asked.count() == len(minutes)
        assert asked.different() == different


def test_a_card_that_was_first_shown_before(filled: Database) -> None:
    """Two periods beside each other count each card in one of them."""
    late = [order for call in reading(filled, since=at(1)) for order in call.orders]
    assert [order.is_first for order in late if order.is_shown] == [False]


OVERRIDDEN = LastOutcome(False, (), has_comment=True)


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ([], None),
        ([ITEM], OVERRIDDEN),
        ([replace(ITEM, comment=None)], LastOutcome(False)),
        ([ITEM, replace(ITEM, outcome="accepted", at=at(1), comment=None)], LastOutcome(True)),
        ([ITEM, replace(ITEM, outcome="accepted", at=at(-1), comment=None)], OVERRIDDEN),
        (
            [replace(ITEM, reasons=(OverrideReason("no", "urn:x", "words"), OverrideReason("y")))],
            LastOutcome(False, (("urn:x", "no"), (None, "y")), has_comment=True),
        ),
    ],
)
def test_the_last_outcome(
    filled: Database, outcomes: list[Feedback], found: LastOutcome | None
) -> None:
    """The outcome with the latest time stands at the first showing, whatever came first."""
    for one in outcomes:
        FeedbackLog(filled).add([one], client="a", service="s", now=at(90))
    orders = [order for call in reading(filled) for order in call.orders]
    assert [order.outcome for order in orders] == [None, found, None, None, None]


def test_feedback_of_cards_that_are_not_known(database: Database) -> None:
    """It is counted apart by the time of its receipt, and is nobody's once the card is another's.

    Feedback for a card that turned out to belong to another client stays aside.
    """
    log = FeedbackLog(database)
    log.add([ITEM], client="b", service="s", now=NOON)
    log.add([replace(ITEM, card="card-9")], client="a", service="s", now=at(5))
    DecisionLog(database).add([CALL])
    for filters, count in (
        ({}, 2),
        ({"client": "a"}, 1),
        ({"service": "t"}, 0),
        ({"since": at(1)}, 1),
        ({"until": NOON}, 0),
    ):
        assert Review(database, Filters(**filters)).unknown_feedback() == count
    assert reading(database)[0].orders[0].outcome is None

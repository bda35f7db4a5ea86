"""A report as text, JSON and CSV: the same numbers, and nothing that a program could take amiss."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from report_calls import CALLS, LIVE, MONDAY, SILENT, SYSTEM, call

from cds_service.records.report import Report, csv_file, csv_files, document, text
from cds_service.records.report.counting import count
from cds_service.records.report.tables import tables
from cds_service.store import AnsweredCall, Different, Filters

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DIFFERENT = Different(patients=4, orders=9, orders_with_card=7)
LABELS = {(SYSTEM, "no"): "I do not want to"}


def report(*calls: AnsweredCall, **filters: Any) -> Report:
    """The report on some calls."""
    return count(calls).report(
        Filters(**filters), made_at=NOW, unknown_feedback=2, different=DIFFERENT
    )


def rows(content: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return [*csv.DictReader(io.StringIO(content))]


def test_text() -> None:
    """The summary says in sentences what was counted by hand, and marks small numbers."""
    found = " ".join(text(report(*CALLS), LABELS).split())
    for said in (
        "Report on all clients, all services, all that is kept (UTC) Made 2026-11-25 12:00 UTC",
        "12 calls answered from 2026-11-02 to 2026-11-19; 9 had an order to judge: "
        "11 judged orders of 4 patients.",
        "7 of 9 different orders got a card or would have got one;",
        "7 cards shown (6 different ones), 88 for every 100 judged orders.",
        "Silent mode: 2 cards would have been shown, 67 for every 100 judged orders.",
        "Feedback came for 4 of 6 different cards (67 %, 95 % interval 30–90 %; †).",
        "Accepted: 1 of 3 cards (33 %, 95 % interval 6–79 %; †), of those with a suggestion and "
        "feedback.",
        "Overridden: 3 of 4 cards (75 %, 95 % interval 30–95 %; †), of those with feedback; 1 of "
        "these had no suggestion and could only be overridden.",
        "No feedback for 2 cards: never sent, or not yet; these are not counted as ignored.",
        "2 outcomes of unknown cards kept aside, in no rate.",
        "Answers took 10 ms (median), 1,230 ms (p95), 1,230 ms (p99).",
        "no I do not want to https://example.org/reasons 1/3, 33 % (6–79)†",
        "call chart-not-readable 1/12, 8 % (1–35)†",
        "order not judged code-not-recognised 2/3, 67 % (21–94)†",
        "Condition 2/10, 20 % (6–51)†",
        "† Of fewer than 30",
    ):
        assert said in found


def test_text_of_a_silent_client() -> None:
    """Before going live: what would have been shown, and no columns of feedback nobody gave."""
    found = text(report(*SILENT))
    assert "2 cards would have been shown" in found
    assert "been shown" in found.split("By week")[1]
    assert not any(
        word in found for word in ("Accepted", "Overridden", "cards shown (", "feedback.")
    )


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({}, "No answered call is recorded yet. There is nothing to report."),
        (
            {"client": "x", "until": MONDAY},
            "No answered call is recorded for client x, all services, to 2026-11-01 (UTC). "
            "There is nothing to report.",
        ),
    ],
)
def test_nothing_to_tell(filters: dict[str, Any], said: str) -> None:
    """Without calls there is a sentence instead of tables."""
    found = text(report(**filters))
    assert said in found
    assert "By week" not in found
    assert all(len(content.splitlines()) == 1 for content in csv_files(report()).values())


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({}, "all that is kept"),
        ({"since": MONDAY}, "from 2026-11-02"),
        ({"since": MONDAY, "until": MONDAY + timedelta(days=7)}, "2026-11-02 to 2026-11-08"),
        ({"client": "a", "service": "s"}, "client a, service s, all that is kept"),
    ],
)
def test_what_it_is_about(filters: dict[str, Any], said: str) -> None:
    """The days are said as they were asked for: the last one is included."""
    assert said in text(report(*LIVE, **filters)).splitlines()[0]


def test_csv_files() -> None:
    """A file for each table; a rate is its number, what it is of, and its share and interval."""
    found = csv_files(report(*CALLS), LABELS)
    assert [*found] == [f"{table.name}.csv" for table in tables(report())]
    week, empty, _ = rows(found["weeks.csv"])
    assert (week["week"], week["judged_orders"], week["different_cards"]) == (
        "2026-11-02",
        "8",
        "6",
    )
    assert (week["accepted"], week["accepted_of"], week["accepted_share"]) == ("1", "3", "0.333333")
    assert (week["accepted_low"], week["accepted_high"]) == ("0.061492", "0.79234")
    assert (empty["calls"], empty["accepted_share"], empty["latency_p95_ms"]) == ("0", "", "")
    reasons = {row["reason"]: row["words"] for row in rows(found["override_reasons.csv"])}
    assert reasons["no"] == "I do not want to"
    assert reasons["no reason given"] == ""


def test_one_csv_file() -> None:
    """All numbers of all tables in one file, each with its place."""
    found = {
        (row["table"], row["row"], row["column"]): row["value"]
        for row in rows(csv_file(report(*CALLS)))
    }
    key = ("answers", "qus / usually-not-appropriate / rated / warning", "judged_orders")
    assert found[key] == "6"
    assert found["weeks", "2026-11-02", "accepted_share"] == "0.333333"
    assert found["clients", "b", "would_have_been_shown"] == "2"
    assert {table for table, _, _ in found} == {table.name for table in tables(report())}


def test_a_spreadsheet_runs_nothing() -> None:
    """A name that a spreadsheet would take for a formula is a text."""
    calls = [call(0, client=name) for name in ('=HYPERLINK("x")', "+1", "-1", "@x", "plain")]
    names = {row["client"] for row in rows(csv_files(report(*calls))["clients.csv"])}
    assert names == {'\'=HYPERLINK("x")', "'+1", "'-1", "'@x", "plain"}


def test_json() -> None:
    """The same rows as in the files, as JSON."""
    found = json.loads(json.dumps(document(report(*CALLS, client="a"))))
    assert (found["client"], found["from"], found["unknownFeedback"]) == ("a", None, 2)
    assert found["tables"]["rules"][0]["accepted_of"] == 3
    (first, *_) = found["tables"]["weeks"]
    assert [*first][:3] == ["week", "calls", "calls_with_order"]


def test_every_table_is_whole() -> None:
    """Names are unique, and each row has a cell for each column."""
    found = tables(report(*CALLS))
    assert len({table.name for table in found}) == len(found)
    for table in found:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
        assert len({column.name for column in table.columns}) == len(table.columns)

"""`cds-service report` from the shell: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import stored
from builders import condition, observation, patient, prefetch
from click.testing import CliRunner, Result
from fhir_calls import body
from stored import JUDGED

from cds_service.cli import main
from cds_service.cli import report as command
from cds_service.config import Settings
from cds_service.engine import load_services
from cds_service.protocol.feedback import Feedback, OverrideReason
from cds_service.registry import load
from cds_service.store import Database, DecisionLog, FeedbackLog
from cds_service.store.migrations import migrate
from cds_service.web import create_app

REASONS = "https://bone-density-cds.org/fhir/CodeSystem/override-reason"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
CALL = replace(stored.CALL, at=NOON)
ITEM = Feedback(
    card="card-1",
    outcome="overridden",
    at=NOON,
    reasons=(OverrideReason("patient-preference", REASONS, "words of canary"),),
    comment="comment of canary",
)
Run = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Two calls of one client on two days, one of another, and feedback for one card."""
    database = Database.open(f"sqlite:///{tmp_path}/store.db")
    migrate(database)
    silent = replace(JUDGED, card=None, suggestions=())
    DecisionLog(database).add(
        [
            CALL,
            replace(CALL, id="d-2", at=NOON + timedelta(days=1), judgements=()),
            replace(CALL, id="d-3", client="b", mode="silent", judgements=(silent,)),
        ]
    )
    FeedbackLog(database).add([ITEM], client="a", service="s", now=NOON)
    database.close()
    return database


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on the filled database, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, url: str = f"sqlite:///{database.where}") -> Result:
        return CliRunner().invoke(main, ["report", *arguments], env={"CDS_DATABASE_URL": url})

    return invoke


def test_prints_a_summary(run: Run) -> None:
    """The text says what was counted, with the words of the service for its own codes."""
    result = run()
    assert result.exit_code == 0
    assert "3 calls answered from 2026-11-03 to 2026-11-04" in result.stdout
    assert "Patient preference" in result.stdout
    assert "1 came with a comment" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ((), 3),
        (("--client", "a"), 2),
        (("--client", "b"), 1),
        (("--service", "s"), 3),
        (("--from", "2026-11-04"), 1),
        (("--to", "2026-11-03"), 2),
        (("--from", "2026-11-03", "--to", "2026-11-03", "--client", "a"), 1),
    ],
)
def test_filters(run: Run, options: tuple[str, ...], calls: int) -> None:
    """Days are whole days of UTC; the last one is included."""
    found = json.loads(run("--json", *options).stdout)
    assert sum(row["calls"] for row in found["tables"]["clients"]) == calls


def test_writes_files(run: Run) -> None:
    """A folder of CSV files, one CSV file and a page, for the owner and the group only."""
    result = run("--csv", "a/folder", "--html", "report.html")
    assert result.exit_code == 0
    with Path("a/folder/clients.csv").open(newline="", encoding="utf-8") as file:
        assert [row["client"] for row in csv.DictReader(file)] == ["a", "b"]
    written = Path("report.html")
    assert written.read_text("utf-8").startswith("<!doctype html>")
    assert stat.S_IMODE(written.stat().st_mode) == 0o640
    assert run("--csv", "all.CSV").exit_code == 0
    assert Path("all.CSV").read_text("utf-8").startswith("table,row,column,value")
    assert [path.name for path in Path().glob(".*")] == []
    assert "wrote report.html" in result.stderr


def test_names_nobody(run: Run) -> None:
    """No pseudonym of a patient or an order, no card, and no word of a clinician, in any form."""
    said = [run("--json").stdout, run("--csv", "all.csv", "--html", "r.html").stdout]
    said += [Path(name).read_text("utf-8") for name in ("all.csv", "r.html")]
    for word in ("pseudonym", "card-1", "s-1", "d-1", "canary"):
        assert not any(word in text for text in said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--client", "c"), "No answered call is recorded for client c"),
        (("--from", "2027-01-01"), "from 2027-01-01 (UTC)"),
    ],
)
def test_nothing_found(run: Run, options: tuple[str, ...], said: str) -> None:
    """A client or a period without calls is no error: the report says so."""
    result = run(*options)
    assert (result.exit_code, said in result.stdout) == (0, True)


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--from", "2026-11-04", "--to", "2026-11-03"), 2, "--to: must not be before --from"),
        (("--from", "yesterday"), 2, "--from"),
        (("--html", "store.db/r.html"), 1, "store.db/r.html cannot be written"),
        (("--csv", "store.db/folder"), 1, "the folder store.db/folder cannot be made"),
        (("--csv", "no/where.csv"), 1, "no/where.csv cannot be written: its folder is missing"),
        (("--csv", "folder.csv"), 1, "folder.csv cannot be written: Is a directory"),
    ],
)
def test_mistakes(run: Run, options: tuple[str, ...], status: int, said: str) -> None:
    """What cannot be done is named with its place, and leaves nothing half done."""
    Path("folder.csv").mkdir()
    result = run(*options)
    assert (result.exit_code, said in result.stderr) == (status, True)
    assert [path.name for path in Path().glob(".*")] == []


def test_a_store_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """A report makes no database: it says which command does."""
    result = run(url=f"sqlite:///{tmp_path}/none.db")
    assert result.exit_code == 1
    assert "none.db: database has no tables yet" in result.stderr
    assert "cds-service db migrate" in result.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_store_that_is_not_migrated(run: Run, database: Database, tmp_path: Path) -> None:
    """An empty file, or tables of another edition, are told apart."""
    (tmp_path / "empty.db").touch()
    assert "has no tables yet" in run(url=f"sqlite:///{tmp_path}/empty.db").stderr
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    result = run()
    assert result.exit_code == 1
    assert "at a revision that this program does not know: 9999" in result.stderr


def test_an_empty_store(run: Run, tmp_path: Path) -> None:
    """Before the first call there is a clear sentence, in every form."""
    empty = Database.open(f"sqlite:///{tmp_path}/new.db")
    migrate(empty)
    empty.close()
    result = run("--html", "r.html", url=f"sqlite:///{empty.where}")
    assert "No answered call is recorded yet." in result.stdout
    assert "No answered call is recorded yet." in Path("r.html").read_text("utf-8")


def test_progress(run: Run, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long report says on standard error how far it is; the output stays clean."""
    monkeypatch.setattr(command, "TELL_EVERY_S", 0.0)
    DecisionLog(database).add(
        replace(CALL, id=f"e-{n}", at=NOON + timedelta(seconds=n), judgements=())
        for n in range(247)
    )
    result = run("--json")
    assert result.stderr.splitlines() == [
        "read 100 of 250 calls (40 %)",
        "read 200 of 250 calls (80 %)",
    ]
    assert json.loads(result.stdout)["client"] is None


SERVICE = "/cds-services/bone-density-imaging"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)


@pytest.mark.parametrize(
    ("mode", "shown", "would", "cards", "accepted"), [("live", 2, 0, 1, 1), ("silent", 0, 2, 0, 0)]
)
def test_from_the_hook_to_the_report(
    run: Run, tmp_path: Path, mode: str, shown: int, would: int, cards: int, accepted: int
) -> None:
    """What the service really records is what the report counts, live and before going live."""
    store = Database.open(f"sqlite:///{tmp_path}/real.db")
    migrate(store)
    registry = tmp_path / "clients.toml"
    registry.write_text(f'[clients.development]\nmode = "{mode}"\n')
    settings = replace(Settings(as_of=date(2026, 11, 23)), database_url=f"sqlite:///{store.where}")
    services = load_services()
    app = create_app(settings, lambda: load(registry, services), services)
    http = app.test_client()
    asked = body(None, prefetch=CHART)
    answers = [http.post(SERVICE, json=asked).json for _ in range(2)]  # the same question twice
    assert app.extensions["cds_service"].recorder.flush()
    for card in answers[0]["cards"]:
        outcome = {
            "card": card["uuid"],
            "outcome": "accepted",
            "outcomeTimestamp": "2026-11-23T04:15:14Z",
            "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        }
        assert http.post(f"{SERVICE}/feedback", json={"feedback": [outcome]}).status_code == 200
    found = json.loads(run("--json", url=settings.database_url).stdout)
    (row,) = found["tables"]["clients"]
    assert (row["calls"], row["judged_orders"], found["differentPatients"]) == (2, 2, 1)
    assert (row["cards_shown"], row["would_have_been_shown"]) == (shown, would)
    assert (row["different_cards"], row["accepted"], row["overridden"]) == (cards, accepted, 0)
    (answer,) = found["tables"]["answers"]
    assert (answer["study"], answer["rating"]) == ("qus", "usually-not-appropriate")

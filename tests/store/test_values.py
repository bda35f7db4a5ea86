"""What is written comes back the same from either database: moments, switches, turns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, insert, select

from cds_service.store import (
    Database,
    IssuerKeys,
    KeptKeys,
    KeyFetches,
    KeyState,
    Revocation,
    RevocationLog,
    Scope,
    ScopeKind,
    State,
    StoreError,
    Switch,
    SwitchLog,
)
from cds_service.store.tables import revocation, switch

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MOMENTS = [
    NOON,
    NOON.replace(microsecond=123456),
    datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
    datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5))),
    datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=14))),
    datetime(1900, 1, 1, 0, 0, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
EVERYTHING = Scope(ScopeKind.ALL)


def _row(at: datetime) -> dict[str, object]:
    return {"at": at, "scope": "all", "state": "off", "who": "w", "why": "y"}


def test_moments(database: Database) -> None:
    """A moment with any offset is read as the same moment in UTC."""
    with database.transaction() as connection:
        connection.execute(insert(switch), [_row(at) for at in MOMENTS])
        read = connection.execute(select(switch.c.at).order_by(switch.c.id)).scalars().all()
        first = connection.execute(select(func.min(switch.c.at))).scalar_one()
        from_noon = select(func.count()).where(switch.c.at >= MOMENTS[2] + timedelta(hours=2))
        assert connection.execute(from_noon).scalar_one() == 5
    assert list(read) == MOMENTS
    assert {at.tzinfo for at in read} == {UTC}
    assert first == MOMENTS[6]


def test_a_moment_without_zone_is_refused(database: Database) -> None:
    """No zone is guessed, neither in what is written nor in what is looked for."""
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="needs a time zone"):
        SwitchLog(database).set(EVERYTHING, State.OFF, who="w", why="y", now=naive)
    with (
        pytest.raises(ValueError, match="needs a time zone"),
        database.statements() as connection,
    ):
        connection.execute(select(switch).where(switch.c.at > naive))
    assert SwitchLog(database).current() == ()


def test_switches_stand_as_last_set(database: Database) -> None:
    """Of each scope the last turn holds; the log keeps all."""
    log = SwitchLog(database)
    assert log.current() == ()
    one = Scope(ScopeKind.CLIENT, client="one")
    service = Scope(ScopeKind.SERVICE, service="s")
    service_there = Scope(ScopeKind.SERVICE, client="one", service="s")
    rule = Scope(ScopeKind.RULE, service="s", rule="r")
    turns = [
        Switch(EVERYTHING, State.OFF, "ann", "drill", NOON),
        Switch(one, State.OFF, "ann", "wrong cards", NOON + timedelta(minutes=1)),
        Switch(EVERYTHING, State.ON, "bob", "drill over", NOON + timedelta(minutes=2)),
        Switch(service, State.OFF, "bob", "é \N{BONE} '; --", NOON + timedelta(minutes=3)),
        Switch(service_there, State.ON, "bob", "", NOON + timedelta(minutes=3)),
        Switch(rule, State.OFF, "bob", "", NOON - timedelta(days=1)),
        Switch(one, State.OFF, "cem", "still", NOON),
    ]
    for turn in turns:
        log.set(turn.scope, turn.state, who=turn.who, why=turn.why, now=turn.at)
    assert log.current() == tuple(turns[place] for place in (2, 3, 4, 5, 6))
    with database.statements() as connection:
        assert connection.execute(select(func.count()).select_from(switch)).scalar_one() == 7


def test_keys_stand_as_last_decided(database: Database) -> None:
    """Of each key of an issuer the last decision holds; names are opaque, whatever is in them."""
    log = RevocationLog(database)
    assert (log.current(), log.revoked()) == ((), frozenset())
    odd = "d3bmLY0/+q==\n\x1b[2J'; -- \N{BONE}"
    revoked, restored = KeyState.REVOKED, KeyState.RESTORED
    decisions = [
        Revocation("https://a", "k", revoked, "ann", "leaked", NOON),
        Revocation("https://a", odd, revoked, "ann", "leaked", NOON),
        Revocation("https://b", "k", revoked, "bob", "leaked", NOON + timedelta(minutes=1)),
        Revocation("https://b", "k", restored, "cem", "false alarm", NOON - timedelta(days=1)),
        Revocation("https://a", "k", revoked, "cem", "still", NOON),
        Revocation("https://a", "K" * 256, restored, "cem", "", NOON),
    ]
    for one in decisions:
        log.add(one)
    assert log.current() == tuple(decisions[place] for place in (1, 3, 4, 5))
    assert log.revoked() == {("https://a", "k"), ("https://a", odd)}
    with database.statements() as connection:
        count = connection.execute(select(func.count()).select_from(revocation)).scalar_one()
    assert count == len(decisions)


@pytest.mark.parametrize(
    ("kind", "client", "service", "rule"),
    [
        (ScopeKind.ALL, "one", None, None),
        (ScopeKind.CLIENT, None, None, None),
        (ScopeKind.CLIENT, "one", "s", None),
        (ScopeKind.SERVICE, "one", None, None),
        (ScopeKind.SERVICE, None, "s", "r"),
        (ScopeKind.RULE, None, None, "r"),
    ],
)
def test_a_scope_names_what_its_kind_says(
    kind: ScopeKind, client: str | None, service: str | None, rule: str | None
) -> None:
    """A switch that would turn off more, or less, than it says is refused."""
    with pytest.raises(ValueError, match="names something else"):
        Scope(kind, client, service, rule)


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ((0.0, 0.0, 8.999, 9.0, 9.1, 17.9, 18.0), "YnnYnnY"),
        ((1764000000.25, 1764000009.0, 1764000009.25), "YnY"),
        ((100.0, 99.0, 90.0), "Ynn"),  # another worker's clock is a little behind
        ((1e9, 100.0, 101.0, 109.0), "YYnY"),  # the clock was set back by years
    ],
)
def test_turns_at_fetching_keys(database: Database, asked: tuple[float, ...], answers: str) -> None:
    """An issuer's keys may be fetched each 9 seconds; a clock set back blocks nobody for long."""
    fetches = KeyFetches(database)
    assert "".join("Y" if fetches.may_fetch("https://ehr", now) else "n" for now in asked) == (
        answers
    )
    assert fetches.may_fetch("https://other", asked[0])


FIRST, SECOND = KeptKeys(b"one", 100.0, 160.25), KeptKeys(b"two", 200.5, 260.75)


@pytest.mark.parametrize(
    ("kept", "since", "found"),
    [
        ([], 0.0, None),
        ([FIRST], 0.0, FIRST),
        ([FIRST], 100.0, None),
        ([FIRST, SECOND], 100.0, SECOND),
        ([SECOND, FIRST], 0.0, SECOND),  # one that was fetched earlier comes too late
    ],
)
def test_keys_of_an_issuer(
    database: Database, kept: list[KeptKeys], since: float, found: KeptKeys | None
) -> None:
    """The document that was fetched last is kept, with the end of its freshness."""
    keys = IssuerKeys(database)
    for one in kept:
        assert one.fresh_until is not None
        keys.keep("https://ehr", one.document, one.fetched_at, one.fresh_until)
    assert keys.kept("https://ehr", since) == found
    assert keys.kept("https://other", 0.0) is None


_ASK = """
import os, sys, threading
from cds_service.store import Database, KeyFetches
database = Database.open(sys.argv[1], busy_timeout_ms=20_000)
fetches = KeyFetches(database)
def ask(number):
    answer = fetches.may_fetch("https://ehr", 100 + number / 1000)
    os.write(1, f"{answer}\\n".encode())
children = [os.fork() for _ in range(2)]  # four processes
threads = [threading.Thread(target=ask, args=[number]) for number in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
try:
    while True: os.wait()  # for those that this process has forked
except ChildProcessError:
    pass
"""


def test_one_turn_for_all_workers(database: Database, url: str) -> None:
    """Of 24 that ask within a few milliseconds, in four processes, one has the turn."""
    command = [sys.executable, "-c", _ASK, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["False"] * 23 + ["True"]
    assert done.stderr == ""


@pytest.mark.parametrize("fails", [False, True])
def test_a_transaction_is_all_or_nothing(database: Database, fails: bool) -> None:
    """What raises inside of it undoes it, and passes through unchanged."""

    def turn_twice(then: Callable[[], object]) -> None:
        with database.transaction() as connection:
            connection.execute(insert(switch), [_row(NOON), _row(NOON)])
            then()

    if fails:
        with pytest.raises(ZeroDivisionError):
            turn_twice(lambda: 1 / 0)
    else:
        turn_twice(lambda: None)
    with database.statements() as connection:
        count = connection.execute(select(func.count()).select_from(switch)).scalar_one()
    assert count == (0 if fails else 2)


def test_what_a_table_refuses_is_an_error_of_the_store(database: Database) -> None:
    """A row against the rules of its table is not kept."""
    row = _row(NOON) | {"state": "perhaps", "why": "secret words"}
    with pytest.raises(StoreError) as caught, database.statements() as connection:
        connection.execute(insert(switch), row)
    assert "secret" not in str(caught.value)

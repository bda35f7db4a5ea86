"""Kill switches: set on the command line, followed by every worker."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from builders import condition, observation, patient, prefetch
from click.testing import CliRunner, Result
from fhir_calls import body

from cds_service.cli import main
from cds_service.config import Settings
from cds_service.control import LOOK_EVERY_S, Switches
from cds_service.engine import load_services
from cds_service.registry import load
from cds_service.store import (
    Scope,
    ScopeKind,
    State,
    StoreError,
    Switch,
    Trouble,
    head_revision,
)
from cds_service.web import create_app

SERVICE = "bone-density-imaging"
CHART = prefetch(
    patient(), [observation("low", "38267-1", -2.7, "2023-05-10"), condition("c1", "M81.0")]
)


def switch(state: State = State.OFF, **scope: Any) -> Switch:
    """One switch."""
    kind = "rule" if "rule" in scope else "service" if "service" in scope else "all"
    kind = "client" if set(scope) == {"client"} else kind
    found = Scope(ScopeKind(kind), **scope)
    return Switch(found, state, "me", "a test", datetime(2026, 11, 25, tzinfo=UTC))


@pytest.mark.parametrize(
    ("switches", "off", "rules"),
    [
        ([], False, set()),
        ([switch()], True, set()),
        ([switch(State.ON)], False, set()),
        ([switch(client="a")], True, set()),
        ([switch(client="b")], False, set()),
        ([switch(service="s")], True, set()),
        ([switch(service="t")], False, set()),
        ([switch(client="a", service="s")], True, set()),
        ([switch(client="b", service="s")], False, set()),
        ([switch(service="s", rule="r")], False, {"r"}),
        ([switch(client="a", service="s", rule="r")], False, {"r"}),
        ([switch(client="b", service="s", rule="r")], False, set()),
        ([switch(service="t", rule="r")], False, set()),
        ([switch(State.ON, service="s", rule="r")], False, set()),
    ],
)
def test_scopes(switches: list[Switch], off: bool, rules: set[str]) -> None:
    """A switch holds for what it names, and for nothing else."""
    known = Switches(lambda: tuple(switches), clock=lambda: -1.0)
    known.look()
    assert known.is_off("a", "s") is off
    assert known.rules_off("a", "s") == rules


def test_a_store_that_does_not_answer() -> None:
    """While the store is silent the last known state stays, and the trouble is known."""
    answers: list[Any] = [(switch(),), StoreError(Trouble.BUSY), ()]

    def read() -> tuple[Switch, ...]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return tuple(found)

    known = Switches(read, clock=lambda: -1.0)  # looks only when it is told to
    known.look()
    known.look()
    assert known.is_off("a", "s")
    assert known.trouble
    known.look()
    assert (known.is_off("a", "s"), known.trouble) == (False, None)


BUSY = StoreError(Trouble.BUSY)
KEY, OTHER = ("https://ehr", "k"), ("https://other", "k")


@pytest.mark.parametrize(
    ("answers", "revoked"),
    [
        ([frozenset()], False),
        ([frozenset({KEY})], True),
        ([frozenset({OTHER, ("https://ehr", "K")})], False),
        ([frozenset({KEY}), BUSY], True),
        ([frozenset({KEY}), frozenset()], False),
        ([frozenset(), BUSY], False),
        ([BUSY], None),
        ([BUSY, BUSY], None),
        ([BUSY, frozenset({KEY})], True),
    ],
)
def test_keys_that_are_revoked(answers: list[Any], revoked: bool | None) -> None:
    """The last state that was read holds; before the first one nothing is said of any key."""
    found = iter(answers)

    def read() -> frozenset[tuple[str, str]]:
        answer = next(found)
        if isinstance(answer, StoreError):
            raise answer
        return frozenset(answer)

    known = Switches(lambda: (switch(),), read, clock=lambda: -1.0)
    for _ in answers:
        known.look()
    assert (known.trouble is not None) is (answers[-1] is BUSY)
    assert known.is_off("a", "s")  # what can be read of the switches holds in any case
    if revoked is None:
        with pytest.raises(StoreError, match="connections are in use"):
            known.is_revoked(*KEY)
    else:
        assert known.is_revoked(*KEY) is revoked


def test_looks_now_and_then() -> None:
    """After the first look the store is asked in the background, by one thread at a time."""
    now, reads, release = [0.0], [0], threading.Event()

    def read() -> tuple[Switch, ...]:
        reads[0] += 1
        assert reads[0] == 1 or release.wait(5)
        return (switch(),) if reads[0] == 2 else ()

    known = Switches(read, clock=lambda: now[0])
    assert not known.is_off("a", "s")
    assert reads[0] == 1
    now[0] = LOOK_EVERY_S
    assert not known.is_off("a", "s")
    assert not known.is_off("a", "s")
    release.set()
    for thread in threading.enumerate():
        if thread.name == "switches":
            thread.join(2)
    assert known.is_off("a", "s")
    assert reads[0] == 2
    assert LOOK_EVERY_S <= 2.5


def test_the_first_call_of_a_worker() -> None:
    """Nobody gets cards that are switched off because a worker has not looked yet."""
    assert Switches(lambda: (switch(),)).is_off("a", "s")
    assert Switches(lambda: (switch(service="s", rule="r"),)).rules_off("a", "s") == {"r"}


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that could not begin is no look: a later call begins another."""
    now, answers = [0.0], [(), (switch(),)]
    known = Switches(lambda: answers.pop(0), clock=lambda: now[0])
    assert not known.is_off("a", "s")
    now[0] = LOOK_EVERY_S
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        assert not known.is_off("a", "s")
    now[0] += LOOK_EVERY_S
    known.is_off("a", "s")
    for thread in threading.enumerate():
        if thread.name == "switches":
            thread.join(2)
    assert known.is_off("a", "s")


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# --- The command line, and what a call gets ---


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A store of its own."""
    return {"CDS_DATABASE_URL": f"sqlite:///{tmp_path}/state/store.db"}


def run(environment: dict[str, str], *arguments: str) -> Result:
    """`cds-service` with arguments."""
    return CliRunner().invoke(main, arguments, env=environment)


def cards(environment: dict[str, str]) -> int:
    """How many cards a call gets from a process that has just looked at the switches."""
    settings = replace(Settings(), database_url=environment["CDS_DATABASE_URL"])
    services = load_services()
    app = create_app(settings, lambda: load(None, services), services)
    app.extensions["cds_service"].switches.look()
    found = app.test_client().post(f"/cds-services/{SERVICE}", json=body(None, prefetch=CHART))
    assert found.status_code == 200
    return len(found.json["cards"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("all",),
        ("development",),
        ("all", "--service", SERVICE),
        ("development", "--service", SERVICE),
        ("all", "--service", SERVICE, "--rule", "surveillance"),
        ("development", "--service", SERVICE, "--rule", "surveillance"),
    ],
)
def test_off_and_on(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    """What is switched off gets no cards until it is switched on again; both are on record."""
    assert cards(environment) == 1
    name, *more = arguments
    off = run(environment, "client", "switch", name, "off", *more, "--why", "wrong rating")
    assert off.exit_code == 0, off.output
    assert cards(environment) == 0
    listed = run(environment, "client", "switches").stdout
    assert "off" in listed
    assert "wrong rating" in listed
    assert run(environment, "client", "switch", name, "on", *more, "--why", "mended").exit_code == 0
    assert cards(environment) == 1


def test_another_rule_goes_on(environment: dict[str, str]) -> None:
    """A rule that is off takes no card from another."""
    found = run(
        environment, "client", "switch", "all", "off", "--service", SERVICE,
        "--rule", "pregnancy", "--why", "x",
    )  # fmt: skip
    assert found.exit_code == 0
    assert cards(environment) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nobody", "off", "--why", "x"), "no client nobody; known: development"),
        (("all", "off"), "--why"),
        (("all", "maybe", "--why", "x"), "'on', 'off'"),
        (("all", "off", "--rule", "r", "--why", "x"), "--rule: needs --service"),
        (("all", "off", "--service", "none", "--why", "x"), "no service none; known: bone-density"),
        (
            ("all", "off", "--service", SERVICE, "--rule", "surveilance", "--why", "x"),
            "no rule surveilance; known: deceased",
        ),
    ],
)
def test_wrong_switches(
    environment: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """A switch that names nothing is not set."""
    found = run(environment, "client", "switch", *arguments)
    assert found.exit_code == 2
    assert words in found.output


def test_database_commands(environment: dict[str, str], tmp_path: Path) -> None:
    """The store is made, brought up to date, and says where it is and how far."""
    assert "not made yet" in run(environment, "db", "status").stdout
    assert run(environment, "db", "migrate").exit_code == 0
    status = run(environment, "db", "status")
    assert status.exit_code == 0
    assert status.stdout.count(f"at revision {head_revision()}") == 2
    assert json.dumps(str(tmp_path))[1:-1] in status.stdout

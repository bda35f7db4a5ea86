"""Bulkhead and circuit breaker: how many calls a server may hold up, and when it is left alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cds_service.egress import Busy, Deadline, Lanes, Permit
from cds_service.egress.lanes import FEWEST_CALLS, MAX_LANES, PAUSE_S, PROBES, WINDOW_S

FULL = "too many calls to this server are under way"
OPEN = "this server has been failing"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def lanes(clock: Clock) -> Lanes:
    """Lanes with room for everything."""
    return Lanes(max_calls=100, slots=1000, clock=clock)


def _call(lanes: Lanes, ok: bool, key: str = "a") -> None:
    with lanes.enter(key) as permit:
        permit.report(ok)


def _calls(lanes: Lanes, results: str, key: str = "a") -> None:
    """One call after the other: `x` fails, `.` does not."""
    for result in results:
        _call(lanes, result == ".", key)


def _is_open(lanes: Lanes, key: str = "a") -> bool:
    try:
        with lanes.enter(key) as permit:
            permit.report(True)
    except Busy as busy:
        return busy.reason == OPEN
    return False


OPENS = {
    "ten failures": ("x" * 10, True),
    "nine failures": ("x" * 9, False),
    "half of ten, last one fails": (".....xxxxx", True),
    "half of ten, last one does not": ("xxxxx.....", True),
    "less than half of ten": ("xxxx......", False),
    "half of twenty": ("x.x.x.x.x.", True),
    "less than half of eleven": ("......xxxxx", False),
    "none": ("." * 50, False),
}


@pytest.mark.parametrize("name", OPENS)
def test_a_circuit_opens_at_half_of_ten(name: str, lanes: Lanes) -> None:
    """Of at least ten calls at least half failed; another server is not concerned."""
    results, is_open = OPENS[name]
    _calls(lanes, results)
    assert _is_open(lanes) is is_open
    assert not _is_open(lanes, "b")


def test_only_the_last_ten_seconds_count(lanes: Lanes, clock: Clock) -> None:
    """Older failures are forgotten, those of exactly that age are not."""
    _calls(lanes, "x" * 9)
    clock.now += WINDOW_S + 0.01
    _calls(lanes, "x" * 9)
    assert FEWEST_CALLS == 10
    clock.now += WINDOW_S
    _calls(lanes, "x")
    assert _is_open(lanes)


def test_a_circuit_pauses_and_then_tries_one_at_a_time(lanes: Lanes, clock: Clock) -> None:
    """Three successes in a row close it."""
    _calls(lanes, "x" * 10)
    clock.now += PAUSE_S - 0.01
    assert _is_open(lanes)
    clock.now += 0.01
    for _ in range(PROBES):
        with lanes.enter("a") as probe:
            with pytest.raises(Busy, match=OPEN):
                lanes.enter("a")
            probe.report(True)
    with lanes.enter("a"), lanes.enter("a"):
        pass
    _calls(lanes, "x" * 7)  # nine calls now
    assert not _is_open(lanes)  # what failed before it opened is forgotten


def test_a_probe_that_fails_opens_it_again(lanes: Lanes, clock: Clock) -> None:
    """For a whole pause, and the successes before it do not count."""
    _calls(lanes, "x" * 10)
    clock.now += PAUSE_S
    _calls(lanes, "..x")
    clock.now += PAUSE_S - 0.01
    assert _is_open(lanes)
    clock.now += 0.01
    _calls(lanes, "..")
    with lanes.enter("a"), pytest.raises(Busy, match=OPEN):
        lanes.enter("a")


def test_a_probe_that_raises_opens_it_again(lanes: Lanes, clock: Clock) -> None:
    """An error without a report is a failure, and the next probe is not locked out for ever."""
    _calls(lanes, "x" * 10)
    clock.now += PAUSE_S
    with pytest.raises(ZeroDivisionError), lanes.enter("a"):
        _ = 1 / 0
    assert _is_open(lanes)
    clock.now += PAUSE_S
    assert not _is_open(lanes)


def test_calls_that_began_before_it_opened_do_not_count(lanes: Lanes, clock: Clock) -> None:
    """Neither while it is open, nor between probes, nor after it has closed again."""
    early = [lanes.enter("a") for _ in range(30)]
    _calls(lanes, "x" * 10)
    _end(early[:10], ok=True)
    assert _is_open(lanes)
    clock.now += PAUSE_S
    _calls(lanes, "..")
    _end(early[10:20], ok=False)
    _calls(lanes, ".")
    _end(early[20:], ok=False)
    assert not _is_open(lanes)


def test_the_last_report_counts(lanes: Lanes) -> None:
    """A second try that succeeds makes it a success."""
    for _ in range(10):
        with lanes.enter("a") as permit:
            permit.report(False)
            permit.report(True)
    assert not _is_open(lanes)


def test_no_server_holds_up_more_than_its_share() -> None:
    """The next call is refused at once; another server has its own share."""
    lanes = Lanes(max_calls=2, slots=1000)
    first, second = lanes.enter("a"), lanes.enter("a")
    with pytest.raises(Busy, match=FULL):
        lanes.enter("a")
    lanes.enter("b")
    _end([first], ok=True)
    third = lanes.enter("a")
    with pytest.raises(Busy, match=FULL):
        lanes.enter("a")
    _end([second, third], ok=False)


def test_lanes_are_forgotten_longest_unused_first(lanes: Lanes) -> None:
    """Never more than so many, and what was used lately is kept."""
    _calls(lanes, "x" * 10, "old")
    _calls(lanes, "x" * 10, "kept")
    for number in range(MAX_LANES - 2):
        _call(lanes, True, f"server-{number}")
    assert _is_open(lanes, "kept")
    _call(lanes, True, "one more")
    assert len(lanes._lanes) == MAX_LANES
    assert _is_open(lanes, "kept")
    assert not _is_open(lanes, "old")


def test_lanes_in_use_are_not_forgotten(lanes: Lanes) -> None:
    """Not even when all are in use and one more comes."""
    permits = [lanes.enter(f"server-{number}") for number in range(MAX_LANES + 3)]
    assert len(lanes._lanes) == MAX_LANES + 3
    _end(permits, ok=True)
    _call(lanes, True, "later")
    assert len(lanes._lanes) == MAX_LANES


def test_many_threads_never_exceed_the_share() -> None:
    """Counted inside; and afterwards every place is free again."""
    lanes, lock = Lanes(max_calls=5, slots=1000), threading.Lock()
    inside, most, busy = 0, 0, 0

    def work(number: int) -> None:
        nonlocal inside, most, busy
        for _ in range(40):
            try:
                with lanes.enter("a") as permit:
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    permit.report(True)
                    with lock:
                        inside -= 1
            except Busy:
                with lock:
                    busy += 1

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(work, range(24)))
    assert most == 5
    assert busy > 0
    _end([lanes.enter("a") for _ in range(5)], ok=True)


def test_many_threads_make_one_probe(clock: Clock, lanes: Lanes) -> None:
    """Only one of them gets through."""
    _calls(lanes, "x" * 10)
    clock.now += PAUSE_S

    def enter(_: int) -> bool:
        try:
            lanes.enter("a")
        except Busy:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(enter, range(64))) == 1


def test_a_deadline_counts_down_to_zero() -> None:
    """Never below."""
    deadline = Deadline.after(0.05)
    assert 0 < deadline.remaining_s() <= 0.05
    assert not deadline.is_over
    time.sleep(0.06)
    assert (deadline.remaining_s(), deadline.is_over) == (0.0, True)


def _end(permits: list[Permit], *, ok: bool) -> None:
    for permit in permits:
        with permit:
            permit.report(ok)


def test_several_servers_that_hang_leave_room_for_one_that_answers() -> None:
    """A server that has not done its part gets half of what is free, however many there are."""
    lanes = Lanes(max_calls=8, slots=28)
    with lanes.enter("healthy"):
        pass
    held = []
    for number in range(20):
        for _ in range(8):
            try:
                held.append(lanes.enter(f"hung-{number}"))
            except Busy:
                break
    assert len(held) < 28
    with lanes.enter("healthy"):
        pass
    for permit in held:
        permit.__exit__(None, None, None)


def test_a_server_that_does_its_part_gets_its_whole_share() -> None:
    """After one good answer the share of a server is the whole one."""
    lanes = Lanes(max_calls=8, slots=8)
    with lanes.enter("a"):
        pass
    held = [lanes.enter("a") for _ in range(8)]
    with pytest.raises(Busy, match="too many calls"):
        lanes.enter("a")
    for permit in held:
        permit.__exit__(None, None, None)

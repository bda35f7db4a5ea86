"""Answered calls, one after the other → a report; what is held does not grow with their number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Generic, TypeVar

from cds_service.records.report.model import Answered, Counts, Report, Tally
from cds_service.records.report.statistics import Latencies, three_digits
from cds_service.store import AnsweredCall, Different, Filters, JudgedOrder, LastOutcome

NO_STUDY = "not named"
NO_RATING = "none"
NO_CARD = "no card"
NO_SYSTEM = "no system"
NOT_A_CODE = "not a code"
"""Instead of what a client sent as a code and is none: it might be words about a patient."""
_WEEK = timedelta(weeks=1)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#|-]{0,63}")
_SYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#?&=%~+-]{0,199}")

Key = TypeVar("Key", bound=Hashable)


class _Group:
    """What of one group of calls was counted: under which numbers of Tally, and how often so."""

    __slots__ = ("kinds", "latencies")

    def __init__(self) -> None:
        # There are few kinds of calls and orders: one step for each is faster than one per number.
        self.kinds: Counter[tuple[str, ...]] = Counter()
        self.latencies = Latencies()

    def tally(self) -> Tally:
        numbers: Counter[str] = Counter()
        for names, count in self.kinds.items():
            for name in names:
                numbers[name] += count
        return Tally(**numbers, latency=self.latencies.latency())


class _Groups(dict[Key, _Group], Generic[Key]):
    """Groups by what they have in common, made at their first mention."""

    def __missing__(self, key: Key) -> _Group:
        self[key] = made = _Group()
        return made

    def tallies(self) -> dict[Key, Tally]:
        return {key: group.tally() for key, group in self.items()}


class Counting:
    """Counts calls; `report` may be asked for at any time."""

    def __init__(self) -> None:
        self.first: datetime | None = None
        self.last: datetime | None = None
        self._total = _Group()
        self._modes: _Groups[tuple[str, str]] = _Groups()
        self._answers: _Groups[Answered] = _Groups()
        self._rules: _Groups[str] = _Groups()
        self._clients: _Groups[str] = _Groups()
        self._weeks: _Groups[date] = _Groups()
        self._suggests: _Groups[bool] = _Groups()
        self._overrides: Counter[tuple[str, str]] = Counter()
        self._bare_overrides = 0
        self._commented = 0
        self._silent: Counter[str] = Counter()
        self._quiet: Counter[str] = Counter()
        self._declined: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._editions: Counter[tuple[str, str]] = Counter()
        self._charts_read = 0

    def add(self, call: AnsweredCall) -> None:
        """Counts one call with its orders."""
        self.first = min(self.first or call.at, call.at)
        self.last = max(self.last or call.at, call.at)
        latency_ms = three_digits(call.latency_ms)
        mode, client = self._modes[call.mode, call.hook], self._clients[call.client]
        groups = (self._total, mode, client, self._weeks[monday(call.at)])
        names = ("calls", "eligible_calls") if call.orders else ("calls",)
        for group in groups:
            group.latencies.add(latency_ms)
            group.kinds[names] += 1
        for order in call.orders:
            self._order(order, groups)
        if call.silence is not None:
            self._silent[call.silence] += 1
        # A chart of which nothing was said and nothing judged was not asked for.
        self._charts_read += bool(call.orders or call.unread or call.ignored)
        if call.unread:
            self._unread.update(call.unread)
        if call.declined:
            self._declined.update(call.declined)
        for reason, count in call.ignored.items():
            self._ignored[reason.partition(":")[0]] += count  # behind the colon: where, not why
        self._editions[call.ruleset, call.knowledge] += 1

    def report(
        self,
        filters: Filters,
        *,
        made_at: datetime,
        different: Different | None = None,
        unknown_feedback: int = 0,
    ) -> Report:
        """What was counted, in a lasting order."""
        suggests = self._suggests.tallies()
        return Report(
            filters=filters,
            made_at=made_at,
            first=self.first,
            last=self.last,
            total=self._total.tally(),
            different=different or Different(),
            by_mode=_sorted(self._modes),
            by_answer=_by_number(self._answers),
            by_rule=_by_number(self._rules),
            by_client=_sorted(self._clients),
            by_week=tuple(self._all_weeks()),
            offering=suggests.get(True, Tally()),
            dismissible=suggests.get(False, Tally()),
            override_reasons=tuple(sorted(self._overrides.items(), key=_often_first)),
            overrides_without_reason=self._bare_overrides,
            overrides_with_comment=self._commented,
            silent_calls=_counts(self._silent),
            quiet_orders=_counts(self._quiet),
            declined=_counts(self._declined),
            charts_read=self._charts_read,
            unread=_counts(self._unread),
            ignored=_counts(self._ignored),
            editions=tuple(sorted(self._editions.items())),
            latency_bands=self._total.latencies.bands(),
            unknown_feedback=unknown_feedback,
        )

    def _order(self, order: JudgedOrder, of_call: tuple[_Group, ...]) -> None:
        answered = Answered(
            order.study or NO_STUDY,
            order.rating or NO_RATING,
            order.rating_status,
            order.indicator or NO_CARD,
        )
        groups = (*of_call, self._answers[answered], self._rules[order.rule])
        names = tuple(_names(order))
        for group in groups:
            group.kinds[names] += 1
        if order.indicator is None:
            self._quiet[order.silence or "no reason given"] += 1
        if order.is_first:
            self._suggests[_offers(order)].kinds[names] += 1
            if order.outcome is not None and not order.outcome.is_accepted:
                self._overridden(order.outcome)

    def _overridden(self, outcome: LastOutcome) -> None:
        self._bare_overrides += not outcome.reasons
        self._commented += outcome.has_comment
        self._overrides.update({_reason(system, code) for system, code in outcome.reasons})

    def _all_weeks(self) -> Iterator[tuple[date, Tally]]:
        if not self._weeks:
            return
        week, end = min(self._weeks), max(self._weeks)
        while week <= end:
            yield week, self._weeks[week].tally()
            week += _WEEK


def monday(at: datetime) -> date:
    """The day with which the week of a moment begins, in UTC."""
    day = at.date()
    return day - timedelta(days=day.weekday())


def _names(order: JudgedOrder) -> Iterator[str]:
    """Under which of a tally's numbers one order counts."""
    yield "judged"
    if order.is_shown:
        yield "shown"
    elif order.indicator is not None:
        yield "would_show"
    else:
        yield "quiet"
    if not order.is_first:
        return
    offers = _offers(order)
    yield "cards"
    if offers:
        yield "offering"
    if order.outcome is not None:
        yield "answered"
        if offers:
            yield "answered_offering"
        yield "accepted" if order.outcome.is_accepted else "overridden"


def _offers(order: JudgedOrder) -> bool:
    # What was accepted was there to be accepted, whatever the record says.
    return order.has_suggestion or bool(order.outcome and order.outcome.is_accepted)


def _reason(system: str | None, code: str) -> tuple[str, str]:
    """System and code as far as they are such: a client may send words about a patient."""
    known = system if system and _SYSTEM.fullmatch(system) else NO_SYSTEM
    return known, code if _CODE.fullmatch(code) else NOT_A_CODE


def _sorted(groups: _Groups[Key]) -> tuple[tuple[Key, Tally], ...]:
    return tuple(sorted(groups.tallies().items(), key=lambda one: str(one[0])))


def _by_number(groups: _Groups[Key]) -> tuple[tuple[Key, Tally], ...]:
    return tuple(sorted(groups.tallies().items(), key=lambda one: (-one[1].judged, str(one[0]))))


def _often_first(one: tuple[Hashable, int]) -> tuple[int, str]:
    return -one[1], str(one[0])


def _counts(counter: Counter[str]) -> Counts:
    return tuple(sorted(counter.items(), key=_often_first))


def count(calls: Iterable[AnsweredCall]) -> Counting:
    """Counts all of them."""
    counting = Counting()
    for call in calls:
        counting.add(call)
    return counting

"""Hook calls about many patients, and what their answers are worth."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.charts import CHARTS, KEYS, Chart, patient_id
from benchmarks.expected import (
    SERVICE,
    comparable,
    expectations,
    of_explanation,
    of_response,
    refutations,
    request,
)
from benchmarks.open_loop import Answered, Call

HOOK, EXPLAIN = f"/cds-services/{SERVICE}", f"/explain/{SERVICE}"
PREFETCHED: tuple[tuple[str, ...], ...] = (
    (),
    ("patient",),
    ("patient", "observations"),
    ("patient", "conditions", "medicationRequests", "medicationStatements"),
    tuple(key for key in KEYS if key != "conditions"),
)
"""What comes along with the calls, in turn; the rest is to be read from the FHIR server."""
NAMED = "Could not be checked"
"""Under which a card names what is not read."""
EXPLAINED = 10
"""Every so manieth call asks for the explanation, which says more than a card."""

EXACT, OPEN, UNREADABLE, SHED, WRONG, BROKEN = (
    "exact",
    "gap named",
    "412",
    "503 shed",
    "wrong",
    "broken",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call was about: the group of hosts, the host, its fault then, chart and patient."""

    group: str
    base: str
    fault: str | None
    chart: Chart
    patient: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answered call with its verdict; `why` explains everything but the good ones."""

    asked: Asked
    due_s: float
    latency_s: float
    late_s: float
    status: int
    verdict: str
    why: str = ""


@dataclass(slots=True)
class Traffic:
    """Makes calls to the hosts of some groups in turn; `fault_of` says what a host has now."""

    groups: dict[str, list[str]]
    fault_of: Callable[[str], str | None]
    prefetched: tuple[tuple[str, ...], ...] = PREFETCHED
    seed: int = 7
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    def calls(self) -> Iterator[Call]:
        """One call after the other, for ever; every one is about a patient of its own."""
        chance = random.Random(self.seed)  # noqa: S311 - test data
        hosts = [itertools.cycle(bases) for bases in self.groups.values()]
        for number, group in zip(self._numbers, itertools.cycle(self.groups), strict=False):
            base = next(hosts[list(self.groups).index(group)])
            index = chance.randrange(len(CHARTS))
            chart, patient = CHARTS[index], patient_id(index, chance.randrange(1_000_000))
            keys = chance.choice(self.prefetched)
            body = request(chart, patient, str(uuid.uuid4()), base, keys, token=f"token-{number}")
            asked = Asked(group, base, self.fault_of(base), chart, patient)
            path = EXPLAIN if number % EXPLAINED == EXPLAINED - 1 else HOOK
            yield Call(path, json.dumps(body).encode(), asked)


class Judge:
    """Compares answers with what the engine says of the complete chart."""

    def __init__(self) -> None:
        self._expected = expectations()

    def __call__(self, answered: Answered) -> Outcome:
        """The verdict on one answer."""
        verdict, why = self._verdict(answered)
        asked: Asked = answered.call.tag
        return Outcome(
            asked,
            answered.due_s,
            answered.latency_s,
            answered.late_s,
            answered.status,
            verdict,
            why,
        )

    def _verdict(self, answered: Answered) -> tuple[str, str]:
        if answered.status == 0:
            return BROKEN, f"no answer: {answered.body.decode('utf-8', 'replace')}"
        try:
            document = json.loads(answered.body)
        except ValueError:
            return BROKEN, f"{answered.status} without JSON"
        if answered.status == 412:
            return UNREADABLE, "; ".join(
                str(i.get("diagnostics")) for i in document.get("issue", ())
            )
        if answered.status == 503 and answered.retry_after is not None:
            return SHED, ""
        if answered.status != 200:
            return BROKEN, f"{answered.status} {document}"
        asked: Asked = answered.call.tag
        true, cards = self._expected[asked.chart.name]
        is_explained = answered.call.path == EXPLAIN
        said = of_explanation(document) if is_explained else of_response(document)
        response = document["response"] if is_explained else document
        unread = document["unread"] if is_explained else []
        if comparable(response, asked.patient) == cards and not unread:
            return EXACT, ""
        found = refutations(said, true)
        if not found and not unread and NAMED not in said.text:
            found = ["it differs, and nothing is named as not read"]
        if found:
            return WRONG, f"{asked.chart.name}: {'; '.join(found)}\n{said}\nunread: {unread}"
        return OPEN, ""

"""A seeded generator of abstract charts that seeks boundaries and covers every combination.

A chart is built towards a target (scenario, study, timing) and then disturbed, so that it may end
elsewhere; what it is, the twin says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

import twin
from twin import Expected, judge
from twin_patient import ORDERS, Diagnosis, Drug, Height, Patient, Result, Scan

Combination = tuple[str, str, str]

AS_OF_DATES = (date(2026, 11, 23), date(2026, 3, 10), date(2025, 7, 15), date(2027, 2, 14))
"""Clinical dates away from the end of a month, where completed months mean one thing only."""
ATTEMPTS = 8
"""How often a chart that missed its target is drawn again; every second one is kept as it fell."""
TIMINGS = ("on-time", "early-with-reason", "early-without-reason", "too-soon", "unknown")
STUDIES = tuple(dict.fromkeys(study for study, _, _ in ORDERS.values() if study != "none"))
TIMED = ("surveillance", "younger-adult-surveillance", "insufficient-data", "pregnancy", "red-flag")
UNTIMED = ("initial-testing", "deceased")
REACHABLE: tuple[Combination, ...] = (
    *((scenario, study, timing) for scenario in TIMED for study in STUDIES for timing in TIMINGS),
    *((scenario, study, "not-applicable") for scenario in UNTIMED for study in STUDIES),
    ("not-bone-density", "none", "not-applicable"),
)
UNREACHABLE = {
    "timing not-applicable in the five scenarios with a timing": (
        "not-applicable in initial-testing, deceased and not-bone-density only"
    ),
    "any timing but not-applicable in the other three": "the same sentence",
    "a density study in not-bone-density": "only unrecognised orders are N0",
}
"""Combinations that cannot occur, and why."""

ORDERS_OF = {
    study: tuple(key for key, (found, _, _) in ORDERS.items() if found == study)
    for study in (*STUDIES, "none")
}
LOW_T = (-1.1, -1.1, -1.8, -2.4, -2.5, -2.6, -3.2, -8.0)
NORMAL_T = (-0.9, -1.0, -1.0, 0.4, 5.0)
IMPOSSIBLE_T = (-8.1, 5.1, -25.0)
CENTRAL_SITES = ("lumbar-spine", "hip", "femur")
PURPOSES = {
    "cond-osteoporosis": twin.OSTEOPOROSIS,
    "cond-low-bone-mass": twin.LOW_BONE_MASS,
    "cond-vertebral-fracture": twin.VERTEBRAL_FRACTURE,
    "cond-spine-unreliable": twin.SPINE_UNRELIABLE,
    "cond-hip-unusable": twin.HIP_BOTH | twin.HIP_LEFT | twin.HIP_RIGHT | twin.HIP_UNKNOWN_SIDE,
    "cond-hyperparathyroidism": twin.PRIMARY_HYPERPARATHYROIDISM,
    "cond-glucocorticoid-use": twin.LONG_TERM_STEROID,
    "cond-perimenopausal": twin.PERIMENOPAUSAL,
    "cond-postmenopausal": twin.POSTMENOPAUSAL,
    "cond-premenopausal": twin.PREMENOPAUSAL,
    "cond-pregnancy": twin.PREGNANCY,
    "cond-height-loss": twin.HEIGHT_LOSS,
    "cond-back-pain": twin.BACK_PAIN,
    "cond-neuro-red-flag": twin.CAUDA_OR_CORD | twin.NEEDS_COMPANY,
    "cond-neuro-radicular": twin.RADICULAR,
    "cond-aff-symptom": twin.THIGH_PAIN,
    "cond-active-malignancy": twin.MALIGNANCY,
    "cond-look-alike-exclude": twin.NOT_COUNTED,
}
SEX_BOUND = frozenset(
    {"cond-postmenopausal", "cond-premenopausal", "cond-perimenopausal", "cond-pregnancy"}
)
DISTURBING = tuple(sorted(set(PURPOSES) - SEX_BOUND))
DRUG_GROUPS = (
    twin.ORAL_BISPHOSPHONATES,
    twin.ORAL_BISPHOSPHONATES,
    twin.IV_BISPHOSPHONATES,
    twin.ANABOLICS,
    twin.DENOSUMAB,
    twin.OTHER_THERAPY,
    twin.AMBIGUOUS_INGREDIENTS,
    twin.AROMATASE_INHIBITORS,
    twin.ANDROGEN_DEPRIVATION,
    twin.DEPOT_PROGESTIN,
    twin.DRUGS_NOT_COUNTED,
)
PARTS = (
    "Observation",
    "Condition",
    "MedicationRequest",
    "MedicationStatement",
    "DiagnosticReport",
    "Procedure",
)


def charts(seed: int, count: int) -> Iterator[tuple[Patient, date]]:
    """Charts with their clinical dates, the same ones for the same seed."""
    rng = Random(seed)  # noqa: S311 - repeatable charts, no secret
    for _ in range(count):
        target = rng.choice(REACHABLE)
        chart, as_of = _Builder(rng, rng.choice(AS_OF_DATES)).chart(target)
        for _ in range(rng.choice((0, ATTEMPTS))):
            if combination(chart, judge(chart, as_of)) == target:
                break
            chart, as_of = _Builder(rng, rng.choice(AS_OF_DATES)).chart(target)
        yield chart, as_of


def combination(chart: Patient, expected: Expected) -> Combination | None:
    """Where a chart ended; None where the service refuses."""
    if expected.refused:
        return None
    return expected.scenario, ORDERS[chart.order][0], expected.timing


def coverage(seeds: range, count: int) -> Counter[Combination]:
    """How often each combination is met by some batches."""
    found: Counter[Combination] = Counter()
    for seed in seeds:
        for chart, as_of in charts(seed, count):
            met = combination(chart, judge(chart, as_of))
            if met is not None:
                found[met] += 1
    return found


def months_before(as_of: date, months: int) -> date:
    """The same day of an earlier month."""
    total = as_of.year * 12 + as_of.month - 1 - months
    return date(total // 12, total % 12 + 1, as_of.day)


@dataclass
class _Builder:
    """One chart in the making."""

    rng: Random
    as_of: date
    results: list[Result] = field(default_factory=list)
    conditions: list[Diagnosis] = field(default_factory=list)
    drugs: list[Drug] = field(default_factory=list)
    heights: list[Height] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    sex: str | None = "female"
    birth: str | None = None
    lsc: bool = False

    def chart(self, target: Combination) -> tuple[Patient, date]:
        """A chart that aims at a combination."""
        scenario, study, timing = target
        self.who(scenario)
        if scenario == "initial-testing":
            self.no_low_bmd()
        elif scenario == "insufficient-data" and self.chance(0.5):
            self.unsettled_baseline(timing)
        else:
            self.evidence(scenario, timing)
        if scenario == "insufficient-data":
            self.unsettled_person()
        if scenario == "pregnancy":
            self.code("cond-pregnancy", clinical="active")
        if scenario == "red-flag":
            self.red_flag()
        if timing == "early-with-reason":
            self.reason()
        if self.chance(0.6):
            self.disturb()
        order = self.rng.choice(ORDERS_OF[study])
        found = Patient(
            order,
            sex=self.sex,
            birth=self.birth,
            deceased=scenario == "deceased" or self.chance(0.01),
            results=tuple(self.results),
            conditions=tuple(self.conditions),
            drugs=tuple(self.drugs),
            heights=tuple(self.heights),
            scans=tuple(self.scans),
            lsc=self.lsc,
        )
        return self.gaps(found, study), self.as_of

    def chance(self, share: float) -> bool:
        """True in a share of the cases."""
        return self.rng.random() < share

    def day(self, months: int) -> date:
        """A day about some months ago, on the boundary itself or up to two days beside it."""
        return months_before(self.as_of, months) + timedelta(self.rng.choice((-2, -1, 0, 0, 1, 2)))

    # ------------------------------------------------------------ who
    def born(self, youngest: int, oldest: int) -> None:
        """A birth date: a limit of age when one lies in the range, now and then a partial one."""
        limits = [age for age in (49, 50, 54, 55, 69, 70, 79, 80) if youngest <= age <= oldest]
        age = self.rng.randint(youngest, oldest)
        if limits and self.chance(0.5):
            age = self.rng.choice(limits)
        day = self.day(12 * age)
        if self.chance(0.3):
            day -= timedelta(self.rng.randint(0, 360))
        shape = self.rng.choices((10, 7, 4), (8, 1, 1))[0]
        self.birth = day.isoformat()[:shape]

    def who(self, scenario: str) -> None:
        """Sex, age and menopause as the scenario needs them."""
        young = scenario in {"younger-adult-surveillance", "pregnancy"}
        self.sex = "female" if scenario == "pregnancy" else self.rng.choice(("female", "male"))
        if not young and scenario != "insufficient-data" and self.chance(0.1):
            self.sex = "female"
            self.born(42, 54)
            self.code("cond-postmenopausal")
        elif young and scenario != "pregnancy" and self.sex == "female" and self.chance(0.3):
            self.born(50, 54)
            self.code("cond-premenopausal")
        elif young:
            self.born(22, 49)
        elif self.sex == "male":
            self.born(50, 88)
        else:
            self.born(55, 88)

    def unsettled_person(self) -> None:
        """Something that leaves age, sex or menopause open, or nothing of that kind."""
        kind = self.rng.choice(("sex", "birth", "fifties", "year", "conflict", "none"))
        if kind == "sex":
            self.sex = None
            self.conditions = [item for item in self.conditions if item.purpose not in SEX_BOUND]
        if kind == "birth":
            self.birth = None
        if kind == "fifties":
            self.sex = "female"
            self.born(50, 54)
        if kind == "year":
            self.birth = str(self.as_of.year - self.rng.choice((50, 50, 55)))
        if kind == "conflict":
            self.sex = "female"
            self.born(55, 66)
            self.code("cond-premenopausal")

    # ------------------------------------------------------------ what was measured
    def when(self, timing: str) -> str | None:
        """A date for the newest DXA in a band, near its limits in most cases."""
        months = {
            "on-time": (23, 23, 24, 24, 25, 36, 60),
            "early-with-reason": (12, 13, 15, 18, 22, 23),
            "early-without-reason": (12, 13, 15, 18, 22, 23),
            "too-soon": (0, 1, 3, 6, 9, 11, 11, 12),
        }.get(timing)
        if months is None:
            return None if self.chance(0.4) else str(self.as_of.year - self.rng.choice((1, 2)))
        day = self.day(self.rng.choice(months))
        if timing == "too-soon" and day > self.as_of:
            day = self.as_of
        return day.isoformat()[: self.rng.choices((10, 7, 4), (12, 1, 1))[0]]

    def evidence(self, scenario: str, timing: str) -> None:
        """Established low BMD and a DXA in the band."""
        when = self.when(timing)
        site = self.rng.choice((*CENTRAL_SITES, *CENTRAL_SITES, "forearm"))
        kind = self.rng.choice(("score", "score", "score", "diagnosis", "both", "bare"))
        young = scenario == "younger-adult-surveillance"
        if kind in {"score", "both"}:
            if self.chance(0.5 if young else 0.05):
                value = self.rng.choice((-2.0, -2.0, -2.1, -1.9, -3.0))
                self.results.append(Result("Z", site, value, when))
            else:
                self.results.append(Result("T", site, self.rng.choice(LOW_T), when))
        if kind in {"diagnosis", "both", "bare"}:
            self.code(self.rng.choice(("cond-osteoporosis", "cond-low-bone-mass")))
        if kind == "diagnosis":
            if self.chance(0.5):
                self.results.append(Result("BMD", site, self.rng.choice((0.2, 0.71, 2.2)), when))
            elif self.chance(0.5):
                self.results.append(Result("T", site, self.rng.choice(NORMAL_T), when))
            else:
                self.scan(when)

    def no_low_bmd(self) -> None:
        """Nothing, or results that do not establish low BMD."""
        if self.chance(0.5):
            site = self.rng.choice((*CENTRAL_SITES, "forearm"))
            when = self.when(self.rng.choice(TIMINGS))
            self.results.append(Result("T", site, self.rng.choice(NORMAL_T), when))

    def unsettled_baseline(self, timing: str) -> None:
        """Only unusable BMD, a scan without result, a drug without baseline, or nothing."""
        when = self.when(timing)
        kind = self.rng.choice(("heel", "impossible", "future", "scan", "scan", "drug", "none"))
        if kind == "heel":
            self.results.append(Result("T", "heel", -1.9, when))
        if kind == "impossible":
            value = self.rng.choice(IMPOSSIBLE_T)
            self.results.append(Result("T", self.rng.choice(CENTRAL_SITES), value, when))
        if kind == "future":
            later = (self.as_of + timedelta(self.rng.choice((1, 2, 40)))).isoformat()
            self.results.append(Result("T", "hip", -2.6, later))
        if kind == "scan":
            self.scan(when)
        if kind == "drug":
            self.drug(self.rng.choice(DRUG_GROUPS[:6]))
            if self.chance(0.5):
                self.scan(when)

    def scan(self, when: str | None) -> None:
        """A report or a procedure without a readable result."""
        code, kind = self.rng.choice(
            (
                ("77080", "procedure"),
                ("77085", "procedure"),
                ("38269-7", "report"),
                ("38268-9", "report"),
                ("24966-4", "report"),
                ("312681000", "procedure"),
                ("76977", "procedure"),
            )
        )
        status = "entered-in-error" if self.chance(0.04) else "done"
        self.scans.append(Scan(kind, code, when, status))

    # ------------------------------------------------------------ what was coded and taken
    def code(
        self,
        purpose: str,
        *,
        code: str | None = None,
        days: int | None = None,
        clinical: str | None = None,
    ) -> None:
        """A condition of a value set."""
        found = code or self.rng.choice(sorted(PURPOSES[purpose]))
        onset = None if days is None else self.as_of - timedelta(days)
        status = clinical or self.rng.choices(("active", "resolved", "inactive"), (16, 1, 1))[0]
        verification = self.rng.choices(
            (None, "confirmed", "provisional", "refuted", "entered-in-error"), (30, 6, 1, 1, 1)
        )[0]
        recorded = None
        if onset is None and days is None and self.chance(0.1):
            recorded = self.as_of - timedelta(self.rng.choice((5, 90, 91)))
        item = Diagnosis(purpose, found, onset, recorded, status, verification)
        self.conditions.append(item)

    def days(self) -> int | None:
        """An age of a condition around the 90 days that make it new, or none."""
        return self.rng.choice((None, 0, 3, 45, 89, 90, 90, 91, 92, 1500))

    def red_flag(self) -> None:
        """A red flag, complete in most cases."""
        kind = self.rng.choice(("alone", "alone", "company", "company", "root"))
        if kind == "alone":
            code = self.rng.choice(sorted(twin.CAUDA_OR_CORD))
            self.code("cond-neuro-red-flag", code=code, days=self.days() or 7, clinical="active")
            return
        if kind == "company":
            code = self.rng.choice(sorted(twin.NEEDS_COMPANY))
            self.code("cond-neuro-red-flag", code=code, days=self.days() or 7, clinical="active")
        else:
            self.code("cond-neuro-radicular", days=self.days() or 7, clinical="active")
        self.code(
            self.rng.choice(("cond-vertebral-fracture", "cond-back-pain")),
            days=self.days() or 7,
            clinical="active",
        )

    def start(self, months: tuple[int, ...]) -> date | None:
        """A start date near one of some months ago, never in the future; now and then none."""
        if self.chance(0.1):
            return None
        return min(self.as_of, self.day(self.rng.choice(months)))

    def drug(self, group: frozenset[str], months: tuple[int, ...] = (2, 5, 12, 13, 40, 60)) -> None:
        """A drug of a group."""
        status = self.rng.choices(
            ("active", "completed", "stopped", "entered-in-error", "cancelled"), (20, 2, 2, 1, 1)
        )[0]
        self.drugs.append(Drug(self.rng.choice(sorted(group)), self.start(months), status))

    def steroid(self) -> None:
        """A glucocorticoid around three months and 5 mg a day."""
        rxcui = self.rng.choice(sorted(twin.PREDNISONE_PER_MG))
        daily = self.rng.choice((None, 1.0, 2.5, 4.5, 5.0, 7.5, 10.0, 20.0, 30.0))
        status = self.rng.choices(("active", "completed", "stopped"), (12, 1, 1))[0]
        self.drugs.append(Drug(rxcui, self.start((2, 3, 3, 4, 14, 30)), status, daily))

    def reason(self) -> None:
        """A reason for DXA after about a year."""
        kind = self.rng.choice(
            ("start", "anabolic", "steroid", "bone-loss", "loss", "fracture", "gland", "stopped")
        )
        if kind == "start":
            self.drug(self.rng.choice(DRUG_GROUPS[:6]), (12, 13))
        if kind == "anabolic":
            self.drug(twin.ANABOLICS)
        if kind == "steroid":
            self.steroid()
        if kind == "bone-loss":
            self.drug(self.rng.choice(DRUG_GROUPS[7:10]))
        if kind == "loss":
            self.lsc_pair()
        if kind == "fracture":
            self.code("cond-vertebral-fracture", days=self.days() or 20)
        if kind == "gland":
            self.code("cond-hyperparathyroidism")
        if kind == "stopped":
            rxcui = self.rng.choice(sorted(twin.DENOSUMAB))
            self.drugs.append(Drug(rxcui, self.start((20, 40)), "stopped"))

    def lsc_pair(self) -> None:
        """Two spine results on one device around the facility's LSC, none newer than a year."""
        self.lsc = self.chance(0.8)
        now = self.rng.choice((0.85, 0.869, 0.87, 0.871, 0.9))
        other = "Device/B" if self.chance(0.1) else "Device/A"
        old, new = self.day(40).isoformat(), self.day(14).isoformat()
        self.results.append(Result("BMD", "lumbar-spine", 0.9, old, device=other))
        self.results.append(Result("BMD", "lumbar-spine", now, new, device="Device/A"))

    # ------------------------------------------------------------ what disturbs
    def disturb(self) -> None:
        """Further conditions, drugs, heights, results and scans, one to three of them."""
        for _ in range(self.rng.randint(1, 3)):
            self.rng.choice(
                (
                    self.more_codes,
                    self.more_codes,
                    self.more_codes,
                    self.more_drugs,
                    self.more_drugs,
                    self.more_results,
                    self.more_heights,
                    self.more_scans,
                )
            )()

    def more_codes(self) -> None:
        """Conditions of any purpose; those that name a sex only where it is female."""
        purpose = self.rng.choice(DISTURBING)
        self.code(purpose, days=self.days())
        if purpose == "cond-hip-unusable" and self.chance(0.5):
            self.code(purpose)
        if self.sex == "female" and self.chance(0.1):
            self.code(self.rng.choice(sorted(SEX_BOUND)))

    def more_drugs(self) -> None:
        """Drugs of any group, at most one glucocorticoid."""
        taken = {item.rxcui for item in self.drugs}
        if self.chance(0.35) and not taken & set(twin.PREDNISONE_PER_MG):
            self.steroid()
        else:
            self.drug(self.rng.choice(DRUG_GROUPS))

    def more_results(self) -> None:
        """An older, peripheral, unfinished, mistaken, future or impossible result."""
        kind = self.rng.choice(("older", "forearm", "heel", "status", "future", "impossible", "z"))
        value = self.rng.choice((*LOW_T, *NORMAL_T))
        day = self.day(self.rng.choice((11, 12, 22, 23, 24, 48))).isoformat()
        site = self.rng.choice(CENTRAL_SITES)
        later = (self.as_of + timedelta(self.rng.choice((1, 2, 200)))).isoformat()
        status = self.rng.choice(
            ("amended", "corrected", "entered-in-error", "preliminary", "cancelled")
        )
        self.results.append(
            {
                "older": Result("T", site, value, day),
                "forearm": Result("T", "forearm", value, day),
                "heel": Result("T", "heel", value, day),
                "status": Result("T", site, value, day, status),
                "future": Result("T", site, value, later),
                "impossible": Result("T", site, self.rng.choice(IMPOSSIBLE_T), day),
                "z": Result("Z", site, self.rng.choice((-1.9, -2.0, -2.1)), day),
            }[kind]
        )

    def more_heights(self) -> None:
        """Two heights, around a loss of four centimetres."""
        lost = self.rng.choice((-1.0, 2.0, 3.9, 4.0, 4.1, 5.0))
        self.heights = [Height(166.0, self.day(100)), Height(round(166.0 - lost, 1), self.day(1))]
        self.heights = [replace(item, when=min(item.when, self.as_of)) for item in self.heights]

    def more_scans(self) -> None:
        """A scan at any time."""
        self.scan(self.when(self.rng.choice(TIMINGS)))

    def gaps(self, chart: Patient, study: str) -> Patient:
        """Now and then a part that was not read, or a person who was not."""
        if self.chance(0.12):
            chart = replace(chart, unread=(self.rng.choice(PARTS),))
        if self.chance(0.02):
            chart = replace(chart, unread=tuple(self.rng.sample(PARTS, 2)))
        if study not in {"osteoporosis-drug", "none"} and self.chance(0.02):
            chart = replace(chart, person=self.rng.choice(("unread", "inactive", "replaced")))
        return chart

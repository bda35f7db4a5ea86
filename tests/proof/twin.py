"""A second reading of the clinical specification: a plain truth-table evaluator.

Written from the clinical specification alone, without a look at the rules of the service; where the
two then disagreed, the text decided, and docs/clinical-decisions.md says how. It knows one order,
one chart and one date, and says what must come out.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from twin_patient import ORDERS, Diagnosis, Patient, Result, Scan


# ------------------------------------------------------------ codes
def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


OSTEOPOROSIS = _codes(
    "M81.0 M81.6 M81.8 M80.00XA M80.051A M80.08XA M80.08XD M80.80XA M80.88XA 64859006 102447009 "
    "18040001 32369003 276661002 703264005 390833005 14651005 735617003 443165006 240198002 "
    "203450003 203451004 431031001"
)
LOW_BONE_MASS = _codes(
    "M85.80 M85.88 M85.89 M85.851 M85.859 312894000 37605006 40308000 735613004 735614005 735616007"
)
VERTEBRAL_FRACTURE = _codes(
    "M80.08XA M80.08XD M80.88XA M48.50XA M48.54XA M48.56XA M48.57XA S22.000A S22.080A S32.000A "
    "S32.010A S32.020A 84138006 50448004 125608002 125607007 240198002 203450003 203451004 "
    "202831001 866087009 207957008"
)
FRAGILITY_FRACTURE = _codes(
    "M80.00XA M80.051A M80.08XA M80.08XD M80.80XA M80.88XA M48.50XA M48.54XA M48.56XA M48.57XA "
    "443165006 240198002 203450003 203451004 431031001"
)
SPINE_UNRELIABLE = _codes(
    "M41.26 M41.56 M41.86 M41.9 M47.16 M47.26 M47.816 M47.817 M47.896 M51.36 M51.360 M51.362 "
    "M51.37 M45.6 M45.9 M48.10 Z98.1 M43.16 I70.0 M88.88 M96.1 298382003 735611002 9631008 "
    "233955003 414564002"
)
LUMBAR_FRACTURE = _codes("M48.56XA M48.57XA S32.000A S32.010A S32.020A 125608002 203450003")
HIP_RIGHT = frozenset({"Z96.641", "430694001"})
HIP_LEFT = frozenset({"Z96.642", "430688009"})
HIP_BOTH = frozenset({"Z96.643"})
HIP_UNKNOWN_SIDE = frozenset({"Z96.649", "398010007", "450813004"})
PRIMARY_HYPERPARATHYROIDISM = frozenset({"E21.0", "36348003", "237653008", "190045361000119101"})
LONG_TERM_STEROID = frozenset({"Z79.52"})
POSTMENOPAUSAL = _codes(
    "Z78.0 N95.0 E28.310 E28.319 E89.40 E89.41 Z90.722 76498008 307429007 161712005 373717006 "
    "429763009 116144002 102447009 735614005"
)
PREMENOPAUSAL = _codes("22636003 309606002 735613004 735617003")
PERIMENOPAUSAL = _codes("N95.1 N95.9 266607004 161541000119104 309607006")
PREGNANCY = _codes("Z33.1 Z34.90 O09.90 O26.90 77386006")
HEIGHT_LOSS = frozenset({"R29.890"})
BACK_PAIN = _codes("M54.50 M54.51 M54.59 M54.6 M54.89 M54.9 161891005 279039007")
CAUDA_OR_CORD = _codes(
    "G83.4 G95.20 G95.29 192970008 16846261000119106 12454008 267590006 71286001"
)
NEEDS_COMPANY = _codes("R33.9 R33.8 R15.9 267064002 236648008 449813001 G82.20 G82.21")
RADICULAR = _codes("M54.16 M54.17 M54.30 R20.2 M51.16 128196005 91019004 102603008 299966003")
THIGH_PAIN = _codes("M79.651 M79.659 M25.551 M25.559 M84.750A M84.751A")
MALIGNANCY = _codes("C90.00 C79.51 C61 C50.919 Z85.3 Z85.46 109989006")
NOT_COUNTED = _codes(
    "M85.9 M84.48XA M89.8X9 276703007 78441005 1515008 240161003 240159007 109346000 Z79.51 "
    "R20.0 R26.9 R29.2 R53.1 26544005 Z87.310 E21.3 K50.90"
)
"""Look-alikes, unspecific codes and codes that only colour the card."""

# ------------------------------------------------------------ drugs
ORAL_BISPHOSPHONATES = frozenset({"904431", "904421", "905024", "904934", "46041", "73056"})
IV_BISPHOSPHONATES = frozenset({"705875", "904954"})
ANABOLICS = frozenset({"1435117", "1921083", "2123190"})
DENOSUMAB = frozenset({"993456", "2715520"})
OTHER_THERAPY = frozenset({"1490067", "1441740", "261204"})
SERMS = frozenset({"1490067", "1441740"})
AMBIGUOUS_INGREDIENTS = frozenset({"993449", "77655"})
THERAPY = ORAL_BISPHOSPHONATES | IV_BISPHOSPHONATES | ANABOLICS | DENOSUMAB | OTHER_THERAPY
PREDNISONE_PER_MG = {
    "198145": 1.0,
    "8640": 1.0,
    "668658": 1.0,
    "207138": 1.25,
    "343040": 6.67,
    "105392": 6.67,
    "2399654": 0.25,
}
"""Oral glucocorticoids and how much prednisone one milligram equals."""
CORTISONE = "828248"
"""A glucocorticoid for which no equivalence is published in the specification."""
AROMATASE_INHIBITORS = frozenset({"84857", "199224", "310261"})
ANDROGEN_DEPRIVATION = frozenset({"825334", "858127", "211544", "2472789"})
DEPOT_PROGESTIN = frozenset({"1000128", "1000158"})
DRUGS_NOT_COUNTED = _codes(
    "1046402 351114 905034 2693643 1602028 763185 1743781 1085728 313979 6691 212039 1737449 "
    "198240 213570 2371773"
)
"""Oncology strengths, Paget strength, look-alikes, dose packs, injections, hormones."""

# ------------------------------------------------------------ rating table
UA, MBA, UNA = "usually-appropriate", "may-be-appropriate", "usually-not-appropriate"
SURVEILLANCE = {
    "dxa-spine-hip": UA,
    "dxa-spine-hip-vfa": UA,
    "dxa-forearm": MBA,
    "tbs": MBA,
    "qct": MBA,
    "qus": UNA,
    "vfa": UNA,
}
YOUNGER = {"dxa-spine-hip": UA, "dxa-spine-hip-vfa": UA, "dxa-forearm": MBA, "qct": MBA}
DEPENDS_ON_USE = frozenset({"dxa-unspecified", "dxa-peripheral", "bone-density-unspecified"})
TIMED_STUDIES = frozenset({"dxa-spine-hip", "dxa-spine-hip-vfa", "dxa-unspecified"})
CENTRAL = frozenset({"lumbar-spine", "hip", "femur"})
USABLE = CENTRAL | {"forearm"}
DXA_SCANS = frozenset({"77080", "77085", "38269-7", "38268-9", "24966-4"})
DATED_STATUSES = frozenset({"final", "amended", "corrected"})
UNFINISHED_STATUSES = frozenset({"preliminary", "registered"})
SURE = frozenset({None, "confirmed"})
Interval = tuple[date, date]


@dataclass(frozen=True)
class Expected:
    """What must come out; `refused` is the answer 412 and leaves the rest empty."""

    scenario: str = ""
    modifiers: frozenset[str] = frozenset()
    rating: str | None = None
    rating_status: str = ""
    timing: str = ""
    indicator: str | None = None
    refused: bool = False


REFUSED = Expected(refused=True)
NOT_BONE_DENSITY = Expected(
    "not-bone-density", rating_status="out-of-scope", timing="not-applicable"
)


# ------------------------------------------------------------ dates
def months_between(start: date, end: date) -> int:
    """Completed calendar months; negative before the start."""
    return (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)


def interval(text: str | None) -> Interval | None:
    """The first and the last day that a date, a month or a year can mean."""
    if text is None:
        return None
    numbers = [int(part) for part in text.split("-")]
    if len(numbers) == 1:
        return date(numbers[0], 1, 1), date(numbers[0], 12, 31)
    if len(numbers) == 2:
        last = monthrange(numbers[0], numbers[1])[1]
        return date(numbers[0], numbers[1], 1), date(numbers[0], numbers[1], last)
    return date(*numbers), date(*numbers)


def ages(patient: Patient, as_of: date) -> tuple[int, int] | None:
    """The youngest and the oldest age that the birth date allows."""
    born = interval(patient.birth) if patient.person == "read" else None
    if born is None:
        return None
    return months_between(born[1], as_of) // 12, months_between(born[0], as_of) // 12


# ------------------------------------------------------------ conditions
def conditions(patient: Patient) -> tuple[Diagnosis, ...]:
    """The conditions that were read and are neither refuted nor entered in error."""
    if "Condition" in patient.unread:
        return ()
    refused = {"refuted", "entered-in-error"}
    return tuple(item for item in patient.conditions if item.verification not in refused)


def active(patient: Patient, codes: frozenset[str]) -> bool:
    """Whether one of the codes is recorded and active."""
    return any(item.code in codes and item.clinical == "active" for item in conditions(patient))


def diagnosed(patient: Patient, *, lasting: bool = False) -> bool:
    """Osteoporosis or osteopenia is coded without doubt, active or (lasting) in any status."""
    return sure(patient, OSTEOPOROSIS | LOW_BONE_MASS, lasting=lasting)


def is_new(item: Diagnosis, as_of: date) -> bool:
    """Onset or recorded within 90 days of the clinical date."""
    days = [(as_of - day).days for day in (item.onset, item.recorded) if day]
    return any(0 <= day <= 90 for day in days)


def sure(patient: Patient, codes: frozenset[str], *, lasting: bool = False) -> bool:
    """Whether one of the codes is recorded without doubt, active or (lasting) in any status."""
    return any(
        item.code in codes and item.verification in SURE and (lasting or item.clinical == "active")
        for item in conditions(patient)
    )


def newly_active(patient: Patient, codes: frozenset[str], as_of: date) -> bool:
    """Whether one of the codes is active and new."""
    return any(
        item.code in codes and item.clinical == "active" and is_new(item, as_of)
        for item in conditions(patient)
    )


def red_flag(patient: Patient, as_of: date) -> bool:
    """New cord or cauda equina codes, a deficit in company, a radicular symptom with fracture."""
    if newly_active(patient, CAUDA_OR_CORD, as_of):
        return True
    fracture = active(patient, VERTEBRAL_FRACTURE)
    pain = newly_active(patient, BACK_PAIN, as_of)
    if newly_active(patient, NEEDS_COMPANY, as_of) and (fracture or pain):
        return True
    confirmed = any(
        item.code in VERTEBRAL_FRACTURE and item.clinical == "active" and item.verification in SURE
        for item in conditions(patient)
    )
    return confirmed and newly_active(patient, RADICULAR, as_of)


def height_loss_cm(patient: Patient) -> float:
    """The highest height minus the newest one."""
    born = interval(patient.birth)
    if "Observation" in patient.unread or patient.person != "read" or born is None:
        return 0.0
    adult = [item for item in patient.heights if months_between(born[1], item.when) >= 240]
    if not adult:
        return 0.0
    newest = max(adult, key=lambda item: item.when)
    return max(item.cm for item in adult) - newest.cm


def suspected_fracture(patient: Patient, as_of: date) -> bool:
    """New back pain, height loss or a suspected vertebral fracture."""
    if newly_active(patient, BACK_PAIN, as_of):
        return True
    if active(patient, HEIGHT_LOSS):
        return True
    if height_loss_cm(patient) > 4:
        return True
    unsure = {"provisional", "differential", "unconfirmed"}
    return any(
        item.code in VERTEBRAL_FRACTURE
        and item.verification in unsure
        and item.clinical == "active"
        for item in conditions(patient)
    )


def both_hips(patient: Patient) -> bool:
    """Whether both hip joints are artificial."""
    if sure(patient, HIP_BOTH, lasting=True):
        return True
    return sure(patient, HIP_LEFT, lasting=True) and sure(patient, HIP_RIGHT, lasting=True)


# ------------------------------------------------------------ results
def is_future(when: str | None, as_of: date) -> bool:
    """Whether the date lies after the clinical date, whatever its missing parts are."""
    found = interval(when)
    return found is not None and found[0] > as_of


def read_results(patient: Patient) -> tuple[Result, ...]:
    """The finished results that were read."""
    if "Observation" in patient.unread:
        return ()
    return tuple(item for item in patient.results if item.status in DATED_STATUSES)


def is_usable(item: Result, as_of: date) -> bool:
    """A plausible result at spine, hip, femur or forearm that is not in the future."""
    if item.site not in USABLE or is_future(item.when, as_of):
        return False
    if item.kind == "T":
        return -8 <= item.value <= 5
    if item.kind == "BMD":
        return 0.2 <= item.value <= 2.2
    return True


def low_t_score(patient: Patient, as_of: date) -> bool:
    """A T-score below -1.0 at a usable site."""
    return any(
        item.kind == "T" and item.value < -1.0 and is_usable(item, as_of)
        for item in read_results(patient)
    )


def newest_t_score_is_low(patient: Patient, as_of: date) -> bool:
    """A T-score below -1.0 among those of the newest date."""
    scores = [item for item in read_results(patient) if item.kind == "T" and is_usable(item, as_of)]
    central = [item for item in scores if item.site in CENTRAL]
    found = [(item.when or "", item.value) for item in central or scores]
    dated = [(interval(when), value) for when, value in found if when]
    last = max((when[0] for when, _ in dated if when), default=None)
    if last is None:
        return any(value < -1.0 for _, value in found)
    return any(value < -1.0 for when, value in dated if when and when[1] >= last)


def low_z_score(patient: Patient, as_of: date) -> bool:
    """A Z-score of -2.0 or less at a usable site."""
    return any(
        item.kind == "Z" and item.value <= -2.0 and is_usable(item, as_of)
        for item in read_results(patient)
    )


def low_bmd(patient: Patient, population: str, as_of: date) -> bool:
    """Whether low BMD is established in a population."""
    if low_t_score(patient, as_of) or diagnosed(patient, lasting=True):
        return True
    return population == "younger" and low_z_score(patient, as_of)


# ------------------------------------------------------------ scans
def read_scans(patient: Patient) -> tuple[Scan, ...]:
    """The finished reports and procedures that were read."""
    types = {"report": "DiagnosticReport", "procedure": "Procedure"}
    return tuple(
        item
        for item in patient.scans
        if item.status == "done" and types[item.kind] not in patient.unread
    )


def central_dates(patient: Patient, as_of: date) -> list[Interval | None]:
    """When DXA of spine, hip or femur was done; None for an undated one."""
    found = [
        interval(item.when)
        for item in read_results(patient)
        if item.site in CENTRAL and not is_future(item.when, as_of)
    ]
    found += [
        interval(item.when)
        for item in read_scans(patient)
        if item.code in DXA_SCANS and not is_future(item.when, as_of)
    ]
    return found


def forearm_dates(patient: Patient, as_of: date) -> list[Interval | None]:
    """When DXA of the forearm was done."""
    return [
        interval(item.when)
        for item in read_results(patient)
        if item.site == "forearm" and not is_future(item.when, as_of)
    ]


def newest(found: list[Interval | None], as_of: date) -> Interval | None:
    """Between which days the newest of the dated ones lies."""
    dated = [item for item in found if item is not None]
    if not dated:
        return None
    return max(item[0] for item in dated), min(as_of, max(item[1] for item in dated))


def unstated_scans(patient: Patient, as_of: date) -> list[Interval | None]:
    """When density scans of unstated modality were done."""
    return [
        interval(item.when)
        for item in read_scans(patient)
        if item.code == "312681000" and not is_future(item.when, as_of)
    ]


def forearm_only(patient: Patient, as_of: date) -> bool:
    """Only a forearm DXA is on record."""
    if central_dates(patient, as_of):
        return False
    return bool(forearm_dates(patient, as_of))


# ------------------------------------------------------------ drugs
def drugs_unread(patient: Patient) -> bool:
    """Whether a part that lists drugs was not read."""
    return "MedicationRequest" in patient.unread or "MedicationStatement" in patient.unread


def taken(patient: Patient, codes: frozenset[str], statuses: tuple[str, ...]) -> list[date | None]:
    """Start dates of orders of these drugs in these statuses."""
    if "MedicationRequest" in patient.unread:
        return []
    return [item.start for item in patient.drugs if item.rxcui in codes and item.status in statuses]


def therapy_codes(patient: Patient) -> frozenset[str]:
    """Osteoporosis drugs; bare denosumab and zoledronic acid only with a diagnosis, no cancer."""
    if diagnosed(patient) and not active(patient, MALIGNANCY):
        return THERAPY | AMBIGUOUS_INGREDIENTS
    return THERAPY


def begun_classes(patient: Patient) -> list[date]:
    """When each class of osteoporosis drug was begun; a new drug of one class is no change."""
    known = therapy_codes(patient)
    alike = [ORAL_BISPHOSPHONATES | IV_BISPHOSPHONATES | {"77655"}, DENOSUMAB | {"993449"}, SERMS]
    alike += [frozenset({code}) for code in known.difference(*alike)]
    every = ("active", "completed", "stopped")
    found = []
    for codes in alike:
        if taken(patient, codes & known, ("active", "completed")):
            found += sorted(start for start in taken(patient, codes & known, every) if start)[:1]
    return found


def steroid_exposure(patient: Patient, as_of: date) -> list[float | None]:
    """Daily prednisone equivalents of systemic glucocorticoids for three months or more."""
    found: list[float | None] = []
    if sure(patient, LONG_TERM_STEROID):
        found.append(None)
    if "MedicationRequest" in patient.unread:
        return found
    for item in patient.drugs:
        if (
            item.rxcui not in {*PREDNISONE_PER_MG, CORTISONE}
            or item.status != "active"
            or item.start is None
        ):
            continue
        if months_between(item.start, as_of) < 3:
            continue
        daily = None if item.rxcui == CORTISONE else item.daily_mg
        found.append(None if daily is None else daily * PREDNISONE_PER_MG[item.rxcui])
    return found


def loss_beyond_lsc(patient: Patient, as_of: date) -> bool:
    """A fall of spine BMD on Device/A by more than the facility's LSC, previous to newest."""
    if not patient.lsc:
        return False
    series = sorted(
        (item.when or "", item.value)
        for item in read_results(patient)
        if item.kind == "BMD"
        and item.site == "lumbar-spine"
        and item.device == "Device/A"
        and item.when
        and is_usable(item, as_of)
    )
    return len(series) >= 2 and round(series[-2][1] - series[-1][1], 3) > 0.030


def early_reason(patient: Patient, as_of: date) -> bool:
    """A documented reason for DXA after about one year."""
    starts = begun_classes(patient)
    last = newest(central_dates(patient, as_of), as_of)
    if last and any(
        start and months_between(start, as_of) >= 11 and months_between(start, last[1]) < 11
        for start in starts
    ):
        return True
    if taken(patient, ANABOLICS, ("active",)):
        return True
    if steroid_exposure(patient, as_of):
        return True
    if taken(patient, AROMATASE_INHIBITORS, ("active",)):
        return True
    if patient.sex == "male" and taken(patient, ANDROGEN_DEPRIVATION, ("active",)):
        return True
    if taken(patient, DEPOT_PROGESTIN, ("active",)):
        return True
    if loss_beyond_lsc(patient, as_of):
        return True
    if any(
        item.code in FRAGILITY_FRACTURE and is_new(item, as_of) and item.verification in SURE
        for item in conditions(patient)
    ):
        return True
    if sure(patient, PRIMARY_HYPERPARATHYROIDISM):
        return True
    denosumab = therapy_codes(patient) & (DENOSUMAB | {"993449"})
    stopped = taken(patient, denosumab, ("stopped",))
    return bool(stopped) and not taken(patient, denosumab, ("active",))


# ------------------------------------------------------------ timing
def band(months: int) -> str:
    """The band of an interval in completed months."""
    if months < 12:
        return "too-soon"
    if months < 23:
        return "early"
    return "on-time"


def timing(patient: Patient, as_of: date) -> str:
    """The patient's timing band, scenario left aside."""
    last = newest(central_dates(patient, as_of), as_of)
    if last is not None and {band(months_between(day, as_of)) for day in last} == {"too-soon"}:
        return "too-soon"
    if "Observation" in patient.unread:
        return "unknown"
    if last is None:
        forearm = newest(forearm_dates(patient, as_of), as_of)
        if not forearm_only(patient, as_of) or forearm is None:
            return "unknown"
        return "on-time" if months_between(forearm[1], as_of) >= 23 else "unknown"
    unstated = newest(unstated_scans(patient, as_of), as_of)
    bands = {band(months_between(day, as_of)) for day in last}
    if unstated is not None and unstated[1] > last[1]:
        bands |= {band(months_between(day, as_of)) for day in unstated}
    if len(bands) > 1:
        return "unknown"
    found = bands.pop()
    if found != "early":
        return found
    if early_reason(patient, as_of):
        return "early-with-reason"
    if drugs_unread(patient) or "Condition" in patient.unread:
        return "unknown"
    return "early-without-reason"


# ------------------------------------------------------------ who
def by_age(sex: str, age: tuple[int, int] | None) -> frozenset[str]:
    """Populations that the age allows for a sex, menopause not recorded."""
    both = frozenset({"older", "younger"})
    if age is None:
        return both
    if age[1] < 50:
        return frozenset({"younger"})
    if age[0] >= (50 if sex == "male" else 55):
        return frozenset({"older"})
    return both


def woman(patient: Patient, age: tuple[int, int] | None) -> tuple[frozenset[str], bool]:
    """Populations of a woman, and whether her data contradict each other."""
    both = frozenset({"older", "younger"})
    if sure(patient, POSTMENOPAUSAL, lasting=True):
        return frozenset({"older"}), False
    if sure(patient, PREMENOPAUSAL):
        if age is not None and age[1] >= 55:
            return both, True
        return frozenset({"younger"}), False
    return by_age("female", age), False


def populations(patient: Patient, as_of: date) -> tuple[frozenset[str], bool]:
    """Populations still possible (older, younger), and whether this is settled (row 4)."""
    sex = patient.sex if patient.person == "read" else None
    age = ages(patient, as_of)
    if sex == "male":
        found = by_age("male", age)
        womanly = sure(patient, POSTMENOPAUSAL, lasting=True) or sure(patient, PREMENOPAUSAL)
        return found, len(found) == 1 and age is not None and not womanly
    if sex == "female":
        found, contradictory = woman(patient, age)
        return found, len(found) == 1 and age is not None and not contradictory
    return woman(patient, age)[0] | by_age("male", age), False


def scenario_of(patient: Patient, population: str, as_of: date) -> str:
    """The scenario of a population by established low BMD (rows 5, 6 and 9)."""
    if not low_bmd(patient, population, as_of):
        return "initial-testing"
    return "surveillance" if population == "older" else "younger-adult-surveillance"


def baseline_undecidable(patient: Patient, as_of: date) -> bool:
    """Row 4 where nothing establishes low BMD: what is on file may hide an established one."""
    if "Observation" in patient.unread or "Condition" in patient.unread:
        return True
    if any(
        item.code in OSTEOPOROSIS | LOW_BONE_MASS
        and item.clinical == "active"
        and item.verification not in SURE
        for item in conditions(patient)
    ):
        return True
    results = read_results(patient)
    if any(is_usable(item, as_of) for item in results):
        return False
    if results or any(item.status in UNFINISHED_STATUSES for item in patient.results):
        return True
    if any(not is_future(item.when, as_of) for item in read_scans(patient)):
        return True
    return bool(taken(patient, therapy_codes(patient), ("active", "completed", "stopped")))


# ------------------------------------------------------------ VFA
def vfa_criteria(patient: Patient, as_of: date) -> bool | None:
    """T < -1.0 and one of age, height loss, glucocorticoid dose; None where unknown."""
    t_score: bool | None = newest_t_score_is_low(patient, as_of)
    if not t_score and "Observation" in patient.unread:
        t_score = None
    if t_score is False:
        return False
    limits = {"female": (70,), "male": (80,)}.get(patient.sex or "", (70, 80))
    age = ages(patient, as_of)
    doses = steroid_exposure(patient, as_of)
    old = age is not None and age[0] >= max(limits)
    if old or height_loss_cm(patient) > 4 or any(dose is not None and dose >= 5 for dose in doses):
        return t_score
    if age is None or age[1] >= min(limits):
        return None
    if "Observation" in patient.unread or drugs_unread(patient) or None in doses:
        return None
    return False


def modifiers(patient: Patient, name: str, as_of: date) -> frozenset[str]:
    """The modifiers of one of the two surveillance scenarios."""
    found = set()
    if sure(patient, LUMBAR_FRACTURE, lasting=True) or active(patient, SPINE_UNRELIABLE):
        found.add("spine-unreliable")
    if both_hips(patient):
        found.add("hips-unreliable")
    if suspected_fracture(patient, as_of):
        found.add("suspected-vertebral-fracture")
    if name == "surveillance" and vfa_criteria(patient, as_of):
        found.add("vfa-criteria-met")
    long_term = ORAL_BISPHOSPHONATES | IV_BISPHOSPHONATES
    starts = taken(patient, long_term, ("active",))
    if active(patient, THIGH_PAIN) and any(
        start and months_between(start, as_of) >= 60 for start in starts
    ):
        found.add("thigh-pain-on-bisphosphonate")
    if forearm_only(patient, as_of):
        found.add("forearm-only-baseline")
    if steroid_exposure(patient, as_of):
        found.add("rapid-loss-risk")
    return frozenset(found)


# ------------------------------------------------------------ rating
def rating_in(patient: Patient, study: str, scenario: str, as_of: date) -> tuple[str | None, str]:
    """The rating of a study in one scenario and its status."""
    if scenario == "initial-testing":
        return None, "no-published-rating"
    if study in DEPENDS_ON_USE:
        return None, "conditional"
    table = SURVEILLANCE if scenario == "surveillance" else YOUNGER
    if study not in table:
        return None, "no-published-rating"
    if "Condition" in patient.unread:
        return None, "conditional"
    if study == "vfa" and (
        suspected_fracture(patient, as_of) or vfa_criteria(patient, as_of) is not False
    ):
        return None, "conditional"
    return table[study], "rated"


def rating_when_unsettled(
    patient: Patient, study: str, possible: set[str], as_of: date
) -> tuple[str | None, str]:
    """The rating in insufficient-data over every scenario still possible."""
    found = {rating_in(patient, study, scenario, as_of) for scenario in possible}
    if len(found) == 1 and next(iter(found))[1] == "rated":
        return found.pop()
    if any(status in {"rated", "conditional"} for _, status in found):
        return None, "conditional"
    return None, "insufficient-data"


def indicator(patient: Patient, study: str, expected: Expected, as_of: date) -> str | None:
    """The indicator of the card for a density order in one of the scenarios with a timing."""
    if expected.scenario == "insufficient-data":
        return "info"
    softened = drugs_unread(patient) or "Condition" in patient.unread
    softened = softened or bool(steroid_exposure(patient, as_of))
    if expected.timing == "too-soon" and study in TIMED_STUDIES and not softened:
        return "warning"
    if expected.rating == UNA:
        return "warning"
    return "info"


def reminder(patient: Patient, as_of: date) -> str | None:
    """Design 5.10: info when the last central DXA is 24 months old or surely missing."""
    if "Condition" in patient.unread or "Observation" in patient.unread:
        return None
    found = central_dates(patient, as_of)
    last = newest(found, as_of)
    if last is not None:
        return "info" if months_between(last[1], as_of) >= 24 else None
    unfinished = any(item.status in UNFINISHED_STATUSES for item in patient.results)
    results = read_results(patient)
    no_baseline = [item for item in results if item.site != "forearm" or not is_usable(item, as_of)]
    if found or unstated_scans(patient, as_of) or no_baseline or unfinished:
        return None
    return None if {"DiagnosticReport", "Procedure"} & set(patient.unread) else "info"


# ------------------------------------------------------------ all
def first(patient: Patient, as_of: date) -> str | None:
    """The scenarios that come before everything else, 412 included."""
    if patient.deceased:
        return "deceased"
    if red_flag(patient, as_of):
        return "red-flag"
    if active(patient, PREGNANCY):
        return "pregnancy"
    return None


def scenario(patient: Patient, as_of: date) -> tuple[str, set[str]]:
    """The scenario, and the ones still possible."""
    who, settled = populations(patient, as_of)
    possible = {scenario_of(patient, population, as_of) for population in who}
    if possible == {"initial-testing"} and baseline_undecidable(patient, as_of):
        established = {"older": "surveillance", "younger": "younger-adult-surveillance"}
        return "insufficient-data", possible | {established[population] for population in who}
    if not settled or "Condition" in patient.unread:
        return "insufficient-data", possible
    return possible.pop(), set()


def judge(patient: Patient, as_of: date) -> Expected:
    """What the service must answer for one chart at one date."""
    study = ORDERS[patient.order][0]
    if study == "none":
        return NOT_BONE_DENSITY
    is_drug = study == "osteoporosis-drug"
    if not is_drug and patient.person != "read":
        return REFUSED
    who, _ = populations(patient, as_of)
    established = any(low_bmd(patient, population, as_of) for population in who)
    lost = "Observation" in patient.unread or "Condition" in patient.unread
    found, possible = first(patient, as_of) or "", set[str]()
    if not found:
        if not is_drug and lost and not established:
            return REFUSED
        found, possible = scenario(patient, as_of)
    when = timing(patient, as_of)
    if found in {"initial-testing", "deceased"}:
        when = "not-applicable"
    notes: frozenset[str] = frozenset()
    if found in {"surveillance", "younger-adult-surveillance"}:
        notes = modifiers(patient, found, as_of)
    if is_drug:
        silent = found in {"deceased", "red-flag", "pregnancy"}
        shown = None if silent else reminder(patient, as_of)
        return Expected(found, notes, None, "out-of-scope", when, shown)
    if found in {"red-flag", "pregnancy"}:
        return Expected(found, notes, None, "out-of-scope", when, "warning")
    if found in {"initial-testing", "deceased"}:
        return Expected(found, notes, None, "out-of-scope", when, None)
    if found == "insufficient-data":
        rating, status = rating_when_unsettled(patient, study, possible, as_of)
    else:
        rating, status = rating_in(patient, study, found, as_of)
    answer = Expected(found, notes, rating, status, when)
    shown = indicator(patient, study, answer, as_of)
    return Expected(found, notes, rating, status, when, shown)

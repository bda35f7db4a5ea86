"""Two charts that mean the same get the same answer; a chart that says more never claims less.

Every relation is tried on the Synthea patients and on charts whose parts come from different rows
of the decision table. PROOF_EXAMPLES multiplies the examples.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builders import (
    CPT,
    ICD10CM,
    KEYS,
    LOINC,
    PATIENT_ID,
    RXNORM,
    SNOMED,
    bundle,
    concept,
    condition,
    medication_request,
    observation,
    service_request,
)
from decision_rows import AS_OF, hook_request, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service import explain

from cds_service.protocol.advice import ChartNotReadable

TIMES = int(os.environ.get("PROOF_EXAMPLES", "1"))
EXAMPLES = settings(
    max_examples=40 * TIMES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FIXTURES = Path(__file__).parents[2] / "fixtures"
ROWS = rows()
STUDIES = ("77080", "77085", "76977", "77086", "77078")
BASE = "https://fhir.example.org/r4"
ZONES = ("UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Asia/Kathmandu", "Europe/London")
FIELDS = (
    "study",
    "scenario",
    "modifiers",
    "rating",
    "ratingStatus",
    "conditional",
    "timing",
    "indicator",
    "silence",
    "rule",
)


@dataclass(frozen=True)
class Case:
    """One call: the request with its clinical date, registry block and client's zone."""

    body: dict[str, Any]
    as_of: str = AS_OF
    block: dict[str, Any] = field(default_factory=dict)
    zone: str = "UTC"

    def copy(self) -> Case:
        """The same case, free to be changed."""
        return replace(self, body=json.loads(json.dumps(self.body)), block=dict(self.block))

    @property
    def prefetch(self) -> dict[str, Any]:
        """The prefetch of the request."""
        found: dict[str, Any] = self.body["prefetch"]
        return found

    @property
    def drafts(self) -> list[dict[str, Any]]:
        """The entries of the draft orders."""
        found: list[dict[str, Any]] = self.body["context"]["draftOrders"]["entry"]
        return found

    def bundles(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The prefetched Bundles with their keys."""
        for key, value in self.prefetch.items():
            if isinstance(value, dict) and value.get("resourceType") == "Bundle":
                yield key, value

    def resources(self) -> Iterator[dict[str, Any]]:
        """Every prefetched resource but the patient."""
        for _, found in self.bundles():
            yield from (entry["resource"] for entry in found.get("entry", ()))


@dataclass(frozen=True)
class Answer:
    """What is compared: orders by reference, their reasons by code, and the words of the cards."""

    orders: dict[str, dict[str, Any]]
    reasons: dict[str, list[str]]
    words: list[str]
    labels: list[list[str]]
    refused: tuple[str, ...] = ()


def answer(case: Case) -> Answer:
    """The answer to one case; a refusal (412) names the parts that could not be read."""
    try:
        explanation = explain(case.body, case.block, case.as_of, case.zone)
    except ChartNotReadable as refusal:
        return Answer({}, {}, [], [], tuple(sorted(gap.data for gap in refusal.missing)))
    cards = explanation["response"]["cards"]
    return Answer(
        {
            item["order"]: {name: item.get(name) for name in FIELDS}
            for item in explanation["orders"]
        },
        {
            item["order"]: [reason["code"] for reason in item["reasons"]]
            for item in explanation["orders"]
        },
        [f"{card['summary']}\n{card.get('detail', '')}" for card in cards],
        [[item["label"] for item in card.get("suggestions", ())] for card in cards],
    )


def dice(seed: int) -> random.Random:
    """Chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 (nothing secret)


# --- Cases ---


def synthea() -> list[Case]:
    """The Synthea patients, each with one of several studies ordered."""
    found = []
    with gzip.open(FIXTURES / "synthea" / "bundles.ndjson.gz", "rt", encoding="utf-8") as lines:
        for position, line in enumerate(lines):
            by_type: dict[str, list[dict[str, Any]]] = {}
            for entry in json.loads(line)["entry"]:
                kept = {"fullUrl": entry["fullUrl"], "resource": entry["resource"]}
                by_type.setdefault(entry["resource"]["resourceType"], []).append(kept)
            person = by_type["Patient"][0]["resource"]
            draft = service_request("draft-1", STUDIES[position % len(STUDIES)])
            draft["subject"] = {"reference": f"Patient/{person['id']}"}
            prefetch: dict[str, Any] = {"patient": person}
            for resource_type, key in KEYS.items():
                prefetch[key] = bundle([]) | {"total": len(by_type.get(resource_type, ()))}
                if resource_type in by_type:
                    prefetch[key]["entry"] = by_type[resource_type]
            context = {
                "userId": "Practitioner/1",
                "patientId": person["id"],
                "selections": ["ServiceRequest/draft-1"],
                "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
            }
            body = {
                "hook": "order-select",
                "hookInstance": "0d6f3f6e-7c7f-4f4c-8a1e-0b6b6a6f5a10",
                "context": context,
                "prefetch": prefetch,
            }
            found.append(Case(body, "2021-07-01"))
    return found


SYNTHEA = synthea()
_PARTS = (("sex", "born"), ("results",), ("conditions",), ("drugs",), ("scans",), ("order",))
_MORE = (
    {
        "resourceType": "DiagnosticReport",
        "id": "conclusion",
        "status": "final",
        "code": concept(LOINC, "38268-9"),
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "effectiveDateTime": "2023-02-03",
        "conclusionCode": [concept(SNOMED, "64859006")],
    },
    {
        "resourceType": "Procedure",
        "id": "hip",
        "status": "completed",
        "code": concept(SNOMED, "52734007"),
        "subject": {"reference": f"Patient/{PATIENT_ID}"},
        "performedDateTime": "2019-02-03",
    },
    observation("tall", "8302-2", 170, "2010-01-10", unit="cm"),
    observation("short", "8302-2", 164, "2026-01-10", unit="cm"),
    observation("heel", "38266-3", -2.9, "2025-02-03"),
    observation("better", "38267-1", -0.8, "2026-09-03"),
    observation("bmd", "24966-4", 0.741, "2023-02-03", unit="g/cm2"),
    medication_request("steroid", "198145", "2026-03-01", daily_mg=7.5),
    medication_request("named", None, "2026-03-01", text="Prolia 60 mg"),
)


@st.composite
def charts(draw: st.DrawFn, *, is_complete: bool = False) -> Case:
    """A row of the decision table, some of its parts taken from other rows, and more resources."""
    row = dict(draw(st.sampled_from(ROWS)))
    for part in _PARTS:
        if draw(st.booleans()):
            other = draw(st.sampled_from(ROWS))
            row |= {name: other[name] for name in part}
    if is_complete:
        row["unread"] = ""
    case = Case(hook_request(row))
    for resource in draw(st.lists(st.sampled_from(_MORE), max_size=5, unique_by=id)):
        put(case, dict(resource))
    return case.copy()


def put(case: Case, resource: dict[str, Any]) -> None:
    """Adds a resource to the Bundle of its type, where that part was read."""
    found = case.prefetch.get(KEYS[resource["resourceType"]])
    if isinstance(found, dict):
        found.setdefault("entry", []).append({"resource": resource})
        if "total" in found:
            found["total"] += 1


def patient_of(case: Case) -> str:
    """The id of the patient."""
    found: str = case.body["context"]["patientId"]
    return found


# --- Relations: the same chart, said otherwise ---


def permute_entries(case: Case, chance: random.Random) -> Case:
    """The order of entries and of prefetch keys means nothing."""
    for _, found in case.bundles():
        chance.shuffle(found.get("entry", []))
    keys = list(case.prefetch)
    chance.shuffle(keys)
    case.body["prefetch"] = {key: case.prefetch[key] for key in keys}
    return case


def duplicate_entries(case: Case, chance: random.Random) -> Case:
    """The same resource twice is one resource."""
    for _, found in case.bundles():
        for entry in list(found.get("entry", ())):
            if chance.random() < 0.5:
                copy = json.loads(json.dumps(entry))
                found["entry"].insert(chance.randrange(len(found["entry"]) + 1), copy)
                found["total"] += 1
    return case


def same_under_other_id(case: Case, chance: random.Random) -> Case:
    """The same result or diagnosis from a second source counts once."""
    for resource in list(case.resources()):
        if resource["resourceType"] in ("Observation", "Condition") and chance.random() < 0.5:
            put(case, {**resource, "id": f"{resource['id'][:40]}-copy"})
    return case


def add_irrelevant(case: Case, chance: random.Random) -> Case:
    """Records that no rule reads change nothing."""
    subject = {"reference": f"Patient/{patient_of(case)}"}
    day = f"20{chance.randrange(10, 21)}-0{chance.randrange(1, 10)}-1{chance.randrange(10)}"
    others: list[dict[str, Any]] = [
        observation("other-1", "2093-3", 190, day, unit="mg/dL"),
        observation("other-2", "39156-5", -2.9, day, unit="kg/m2"),
        observation("other-3", "38267-1", -5, day, system="urn:oid:1.2.3"),
        condition("other-4", "I10", day),
        condition("other-5", "E11.9", day, verification="provisional"),
        condition("other-6", "M81.0", day, system="urn:oid:1.2.3"),
        medication_request("other-7", "6809", day),
        medication_request("other-8", None, day, text="Lisinopril 10 mg"),
        {
            "resourceType": "Procedure",
            "id": "other-9",
            "status": "completed",
            "code": concept(SNOMED, "80146002"),
            "performedDateTime": day,
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "other-10",
            "status": "final",
            "code": concept(LOINC, "58410-2"),
            "effectiveDateTime": day,
        },
    ]
    for resource in chance.sample(others, chance.randrange(1, len(others) + 1)):
        put(case, resource | {"subject": subject})
    return case


def add_in_error(case: Case, chance: random.Random) -> Case:
    """A copy entered in error, with other values and dates, is no record."""
    for resource in list(case.resources()):
        if chance.random() < 0.5:
            continue
        wrong = json.loads(json.dumps(resource)) | {"id": f"{resource['id'][:40]}-wrong"}
        if wrong["resourceType"] == "Condition":
            wrong["verificationStatus"] = concept(
                "http://terminology.hl7.org/CodeSystem/condition-ver-status", "entered-in-error"
            )
            wrong["onsetDateTime"] = case.as_of
        else:
            wrong["status"] = "entered-in-error"
        if "valueQuantity" in wrong:
            wrong["valueQuantity"]["value"] = chance.choice((-7.0, 1.5, 99))
        for name in ("effectiveDateTime", "performedDateTime", "authoredOn"):
            if name in wrong:
                wrong[name] = case.as_of
        put(case, wrong)
    return case


def split_bundles(case: Case, chance: random.Random) -> Case:
    """One search result may come under two keys."""
    for key, found in list(case.bundles()):
        entries = found.get("entry", [])
        if len(entries) < 2 or chance.random() < 0.2:
            continue
        cut = chance.randrange(1, len(entries))
        case.prefetch[key] = {**found, "entry": entries[:cut], "total": cut}
        case.prefetch[f"{key}More"] = {
            **found,
            "entry": entries[cut:],
            "total": len(entries) - cut,
        }
    return case


def subject_forms(case: Case, chance: random.Random) -> Case:
    """Relative, absolute, versioned and urn references to the patient are one."""
    identifier = patient_of(case)
    case.body["fhirServer"] = BASE
    forms = (
        f"Patient/{identifier}",
        f"{BASE}/Patient/{identifier}",
        f"{BASE}/Patient/{identifier}/_history/3",
        f"urn:uuid:{identifier}",
        f"{BASE.replace('fhir.example.org', 'FHIR.Example.org')}/Patient/{identifier}",
    )
    drafts = [entry["resource"] for entry in case.drafts]
    for resource in [*case.resources(), *drafts]:
        if "subject" in resource:
            resource["subject"] = {"reference": chance.choice(forms)}
    return case


_UNITS: dict[str, list[dict[str, Any]]] = {
    "T-score": [
        {"unit": "{T-score}"},
        {"unit": "T-score"},
        {"unit": "{TScore}", "system": "http://unitsofmeasure.org", "code": "1"},
        {"unit": "{T-Score}", "code": "{T-score}"},
        {"code": "{score}"},
        {"unit": "SD"},
        {},
    ],
    "Z-score": [{"unit": "{Z-score}"}, {"unit": "Z score"}, {"unit": " {zscore} "}, {}],
    "g/cm2": [
        {"unit": "g/cm2"},
        {"unit": "g/cm²", "code": "g/cm2", "system": "http://unitsofmeasure.org"},
        {"unit": "g/cm-2"},
        {"unit": "g.cm-2"},
        {"unit": "gm/cm2"},
        {"unit": "mg/cm2"},
    ],
    "cm": [{"unit": "cm"}, {"code": "cm"}, {"unit": "mm"}, {"unit": "m"}],
}
_FACTORS = {"mg/cm2": Decimal(1000), "mm": Decimal(10), "m": Decimal("0.01")}
_KINDS = {"{T-score}": "T-score", "{Z-score}": "Z-score", "g/cm2": "g/cm2", "cm": "cm"}


def unit_spellings(case: Case, chance: random.Random) -> Case:
    """The spellings of one unit are one, and multiples are converted."""
    for resource in case.resources():
        quantity = resource.get("valueQuantity", {})
        kind = _KINDS.get(quantity.get("unit", ""))
        if kind is None:
            continue
        spelling = dict(chance.choice(_UNITS[kind]))
        factor = _FACTORS.get(spelling.get("unit", ""), Decimal(1))
        value = float(Decimal(str(quantity["value"])) * factor)
        resource["valueQuantity"] = {"value": value, **spelling}
    return case


_SYSTEMS = {
    LOINC: ("urn:oid:2.16.840.1.113883.6.1", "https://loinc.org", "http://loinc.org/"),
    SNOMED: ("urn:oid:2.16.840.1.113883.6.96", "http://snomed.info/sct/731000124108"),
    ICD10CM: ("urn:oid:2.16.840.1.113883.6.90", "HTTP://hl7.org/fhir/sid/icd-10-cm"),
    CPT: ("urn:oid:2.16.840.1.113883.6.12", "http://terminology.hl7.org/CodeSystem/CPT"),
    RXNORM: ("urn:oid:2.16.840.1.113883.6.88", "https://www.nlm.nih.gov/research/umls/rxnorm"),
}


def coded(case: Case) -> Iterator[dict[str, Any]]:
    """Every CodeableConcept that says what a resource or a draft is about."""
    drafts = [entry["resource"] for entry in case.drafts]
    for resource in [*case.resources(), *drafts]:
        for name in ("code", "medicationCodeableConcept"):
            if resource.get(name, {}).get("coding"):
                yield resource[name]


def code_systems(case: Case, chance: random.Random) -> Case:
    """OIDs, editions and other spellings of a code system are that code system."""
    for found in coded(case):
        for coding in found["coding"]:
            others = _SYSTEMS.get(coding.get("system", ""))
            if others and chance.random() < 0.7:
                coding["system"] = chance.choice(others)
            if coding["system"] in _SYSTEMS[ICD10CM]:
                coding["code"] = chance.choice((coding["code"], coding["code"].replace(".", "")))
    return case


def more_codings(case: Case, chance: random.Random) -> Case:
    """Further codings, unknown or saying the same, do not take a meaning away."""
    for found in coded(case):
        first = dict(found["coding"][0])
        more = [
            {"system": "urn:oid:1.2.3", "code": "X-1", "display": "Something local"},
            {"code": "no-system"},
            {**first, "system": _SYSTEMS.get(first.get("system", ""), (first.get("system"),))[0]},
        ]
        found["coding"] += chance.sample(more, chance.randrange(1, 4))
        chance.shuffle(found["coding"])
    return case


def local_codes(case: Case, chance: random.Random) -> Case:
    """A code of the house that the registry maps means what it is mapped to."""
    mapped: dict[str, dict[str, str]] = {}
    for resource in case.resources():
        for coding in resource.get("code", {}).get("coding", ()):
            if coding.get("system") == LOINC and _LOINC.fullmatch(coding["code"]):
                if chance.random() < 0.3:
                    continue
                house = {"system": "urn:house", "code": f"H{coding['code']}"}
                mapped[house["code"]] = {**house, "means": coding["code"]}
                coding.update(house)
    case.block["local_codes"] = list(mapped.values())
    return case


_LOINC = re.compile(r"(?!59576-9)\d{3,5}-\d")
"""LOINC codes; Synthea holds one with a wrong check digit, which the registry refuses."""

_DATED = re.compile(r"(?:[dD]ate|DateTime|Instant|authoredOn|issued|start|end|lastUpdated)$")
_YEAR = re.compile(r"(\d{4})(-.*)?")


def shift_dates(case: Case, chance: random.Random) -> Case:
    """All dates and the clinical date moved by some times four years: nothing has changed."""
    years = 4 * chance.choice((-5, -3, -1, 1, 2, 4, 9))

    def shift(text: str) -> str:
        found = _YEAR.fullmatch(text)
        return f"{int(found[1]) + years}{found[2] or ''}" if found else text

    def walk(value: Any) -> None:
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list):
                walk(item)
            elif isinstance(name, str) and isinstance(item, str) and _DATED.search(name):
                value[name] = shift(item)

    walk(case.body)
    return replace(case, as_of=shift(case.as_of))


def rename_ids(case: Case, chance: random.Random) -> Case:
    """Ids say nothing: not those of resources, not that of the patient."""
    person = patient_of(case)
    text = json.dumps(case.body)
    names = sorted({resource["id"] for resource in case.resources()} - {person})
    salt = f"{chance.randrange(16**6):06x}"
    renamed = {name: f"r{chance.randrange(10**6)}-{number}" for number, name in enumerate(names)}
    text = re.sub(r'(?<=[":/])[^":/]+(?=")', lambda found: renamed.get(found[0], found[0]), text)
    return replace(case, body=json.loads(text.replace(person, f"p-{salt}")))


def other_person(case: Case, chance: random.Random) -> Case:
    """Name, address, language, race, ethnicity and gender identity are not used."""
    core = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"
    race = chance.choice(("2106-3", "2054-5", "2028-9", "1002-5", "2076-8"))
    person = case.prefetch["patient"]
    extensions = [
        item
        for item in person.get("extension", ())
        if not item["url"].endswith(("race", "ethnicity", "genderIdentity"))
    ]
    cdc = "urn:oid:2.16.840.1.113883.6.238"
    person |= {
        "name": [{"family": chance.choice(("Nguyen", "Müller", "Okafor")), "given": ["Kim"]}],
        "address": [{"city": chance.choice(("Lagos", "Oslo")), "postalCode": "00100"}],
        "telecom": [{"system": "phone", "value": "555-0100"}],
        "maritalStatus": concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
        "communication": [{"language": concept("urn:ietf:bcp:47", chance.choice(("es", "zh")))}],
        "extension": [
            *extensions,
            {
                "url": f"{core}-race",
                "extension": [{"url": "ombCategory", "valueCoding": {"system": cdc, "code": race}}],
            },
            {
                "url": f"{core}-ethnicity",
                "extension": [
                    {"url": "ombCategory", "valueCoding": {"system": cdc, "code": "2135-2"}}
                ],
            },
            {
                "url": f"{core}-genderIdentity",
                "valueCodeableConcept": concept(SNOMED, chance.choice(("407376001", "446141000"))),
            },
        ],
    }
    return case


def empty_forms(case: Case, chance: random.Random) -> Case:
    """`null`, a Bundle without entries and one with an empty list are all read and empty."""
    for key, found in list(case.bundles()):
        if not found.get("entry"):
            case.prefetch[key] = chance.choice(
                (None, {"resourceType": "Bundle", "type": "searchset"}, {**found, "entry": []})
            )
    return case


def full_urls(case: Case, chance: random.Random) -> Case:
    """Entries with or without fullUrl and search mode are the same entries."""
    for _, found in case.bundles():
        for entry in found.get("entry", ()):
            resource = entry["resource"]
            if "fullUrl" not in entry and chance.random() < 0.7:
                entry["fullUrl"] = f"{BASE}/{resource['resourceType']}/{resource['id']}"
            if chance.random() < 0.5:
                entry["search"] = {"mode": "match"}
    return case


def sign_instead(case: Case, _: random.Random) -> Case:
    """The same draft is judged the same when it is signed."""
    case.body["hook"] = "order-sign"
    del case.body["context"]["selections"]
    return case


def display_texts(case: Case, chance: random.Random) -> Case:
    """What is written beside a code that is known means nothing."""
    for found in coded(case):
        if found["coding"][0].get("system") != RXNORM:  # a name counts where no drug code is known
            found["text"] = chance.choice(("Osteoporosis", "DXA heel", "T-score -4.0", "pregnant"))
            found["coding"][0]["display"] = chance.choice(("cauda equina", "normal"))
    return case


@dataclass(frozen=True)
class Relation:
    """A change that must not matter, and what has to be equal.

    `all` means every word; `orders` means decisions and reason codes.
    """

    change: Callable[[Case, random.Random], Case]
    same: str = "all"


RELATIONS = (
    Relation(permute_entries),
    Relation(duplicate_entries),
    Relation(same_under_other_id, "orders"),  # what is not used is named twice
    Relation(add_irrelevant),
    Relation(add_in_error, "orders"),  # the copies are named as not used
    Relation(split_bundles),
    Relation(subject_forms),
    Relation(unit_spellings),
    Relation(code_systems),
    Relation(more_codings),
    Relation(local_codes),
    Relation(shift_dates, "orders"),  # cards show dates
    Relation(rename_ids, "orders"),  # cards name what is not used
    Relation(other_person),
    Relation(empty_forms),
    Relation(full_urls),
    Relation(sign_instead),
    Relation(display_texts),
)
each_relation = pytest.mark.parametrize(
    "relation", RELATIONS, ids=lambda item: item.change.__name__
)


def check(relation: Relation, case: Case, seed: int) -> None:
    """The changed case has the answer of the unchanged one."""
    before = answer(case)
    after = answer(relation.change(case.copy(), dice(seed)))
    assert after.refused == before.refused
    assert after.orders == before.orders
    assert {name: sorted(found) for name, found in after.reasons.items()} == {
        name: sorted(found) for name, found in before.reasons.items()
    }
    if relation.same == "all":
        assert after.words == before.words
        assert after.labels == before.labels


@each_relation
def test_synthea_patients(relation: Relation) -> None:
    """A change that means nothing does not change the answers to the Synthea patients."""
    for position, case in enumerate(SYNTHEA):
        for turn in range(TIMES):
            check(relation, case, 100 * turn + position)


@each_relation
def test_generated_charts(relation: Relation) -> None:
    """Nor the answers to charts put together from the decision table."""

    @EXAMPLES
    @given(charts(), st.integers(0, 2**32))
    def holds(case: Case, seed: int) -> None:
        check(relation, case, seed)

    holds()


def test_worked_rows_keep_their_answers() -> None:
    """The recorded answers to the Synthea patients are the ones compared here."""
    with (FIXTURES / "synthea" / "answers.csv").open(encoding="utf-8", newline="") as file:
        recorded = {row["patient"]: row["scenario"] for row in csv.DictReader(file)}
    for case in SYNTHEA:
        (order,) = answer(case).orders.values()
        assert order["scenario"] == recorded[patient_of(case)]


# --- Time zones ---


@contextmanager
def server_zone(name: str) -> Iterator[None]:
    """The process as if the server stood in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@pytest.mark.parametrize("zone", ZONES)
def test_server_zone(zone: str) -> None:
    """Where the server stands changes no word, for dates and for instants."""
    cases = [*SYNTHEA, *(Case(hook_request(row)) for row in ROWS)]
    before = [answer(case) for case in cases]
    with server_zone(zone):
        assert [answer(case) for case in cases] == before


@pytest.mark.parametrize("zone", ZONES)
def test_client_zone(zone: str) -> None:
    """Dates without a time of day are the same day in every client's time zone."""

    @EXAMPLES
    @given(charts())
    def holds(case: Case) -> None:
        assert answer(replace(case, zone=zone)) == answer(case)

    holds()


# --- Several drafts ---


@EXAMPLES
@given(
    charts(is_complete=True),
    st.lists(st.sampled_from((*STUDIES, "80053", "77081")), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_order_of_drafts(case: Case, others: list[str], with_drug: bool, seed: int) -> None:
    """Neither the order of drafts nor that of selections changes what is said of each draft."""
    for position, code in enumerate(others):
        case.drafts.append({"resource": service_request(f"draft-{position + 2}", code)})
    if with_drug and case.drafts[0]["resource"]["resourceType"] != "MedicationRequest":
        drug = medication_request("draft-9", "904431", status="draft")
        case.drafts.append({"resource": drug})
    case.body["context"]["selections"] = [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in case.drafts
    ]
    changed = case.copy()
    chance = dice(seed)
    chance.shuffle(changed.drafts)
    chance.shuffle(changed.body["context"]["selections"])
    before, after = answer(case), answer(changed)
    assert after.orders == before.orders
    assert after.reasons == before.reasons
    assert sorted(after.words) == sorted(before.words)


# --- More risk, never less caution ---

TIMINGS = ("too-soon", "early-without-reason", "early-with-reason")
RATINGS = (None, "usually-not-appropriate", "may-be-appropriate", "usually-appropriate")
ESTABLISHED = ("surveillance", "younger-adult-surveillance")


def best_rating(order: dict[str, Any]) -> int:
    """The most favourable rating that is given, conditionally or not."""
    found = [item["rating"] for item in order["conditional"] or ()] or [order["rating"]]
    return max(RATINGS.index(rating) for rating in found)


def only(found: Answer) -> dict[str, Any]:
    """The one order of an answer."""
    (order,) = found.orders.values()
    return order


def assert_no_less_risk(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Scenario kept, modifiers kept, timing not earlier, rating not lower."""
    assert after["scenario"] == before["scenario"]
    assert set(before["modifiers"]) <= set(after["modifiers"])
    assert best_rating(after) >= best_rating(before)
    if before["timing"] in TIMINGS:
        assert after["timing"] in TIMINGS[TIMINGS.index(before["timing"]) :]
    else:
        assert after["timing"] == before["timing"]


RISKS = {
    "prednisone at 10 mg a day": medication_request("r", "198145", "2026-01-10", daily_mg=10),
    "prednisone, dose not recorded": medication_request("r", "198145", "2026-01-10"),
    "anastrozole": medication_request("r", "84857", "2025-01-10"),
    "new back pain": condition("r", "M54.50", "2026-11-20"),
    "lumbar fracture": condition("r", "S32.010A", "2021-01-10"),
    "long-term steroid": condition("r", "Z79.52"),
    "osteoporosis": condition("r", "M81.0"),
    "both hips replaced": condition("r", "Z96.643"),
    "scoliosis": condition("r", "M41.9"),
}


@pytest.mark.parametrize("risk", RISKS.values(), ids=list(RISKS))
def test_more_risk(risk: dict[str, Any]) -> None:
    """A glucocorticoid, a sign or a diagnosis more never lowers the risk that an answer shows."""

    @EXAMPLES
    @given(charts(is_complete=True))
    def holds(case: Case) -> None:
        before = only(answer(case))
        put(case, dict(risk))
        after = only(answer(case))
        if after["scenario"] == "red-flag":  # a fracture beside a recorded deficit
            return
        if before["scenario"] in ESTABLISHED:
            assert_no_less_risk(before, after)
        elif before["scenario"] in ("red-flag", "pregnancy", "deceased"):
            assert after["scenario"] == before["scenario"]
        assert after["scenario"] != "initial-testing" or before["scenario"] != "insufficient-data"

    holds()


@EXAMPLES
@given(charts(is_complete=True), st.integers(1, 30))
def test_more_age(case: Case, years: int) -> None:
    """An older patient in surveillance keeps every modifier and every rating."""
    before = only(answer(case))
    born = case.prefetch["patient"].get("birthDate", "")
    if before["scenario"] != "surveillance" or int(born[:4]) - years < 1900:
        return
    older = case.copy()
    older.prefetch["patient"]["birthDate"] = f"{int(born[:4]) - years}{born[4:]}".replace(
        "-02-29", "-03-01"
    )
    assert_no_less_risk(before, only(answer(older)))


@pytest.mark.parametrize("code", ["G83.4", "G95.20"])
def test_red_flag(code: str) -> None:
    """A new cord or cauda equina finding decides, whatever else the chart holds."""

    @EXAMPLES
    @given(charts(is_complete=True))
    def holds(case: Case) -> None:
        before = only(answer(case))
        put(case, condition("risk", code, "2026-11-20"))
        after = only(answer(case))
        assert after["scenario"] in ("red-flag", "deceased")
        assert (after["scenario"] == "deceased") == (before["scenario"] == "deceased")
        assert after["rating"] is None
        is_drug = after["study"] == "osteoporosis-drug"
        is_silent = is_drug or after["scenario"] == "deceased"
        assert after["indicator"] == (None if is_silent else "warning")

    holds()


# --- Less chart, no claim that the whole chart refutes ---


def drop_part(case: Case, key: str, _: random.Random) -> None:
    """The whole key is missing."""
    del case.prefetch[key]


def drop_page(case: Case, key: str, chance: random.Random) -> None:
    """Only the first page came."""
    found = case.prefetch[key]
    entries = found.get("entry", [])
    kept = [entry for entry in entries if chance.random() < 0.5]
    case.prefetch[key] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": f"{BASE}?page=2"}],
        "entry": kept,
    }


def assert_not_refuted(part: str, less: Answer, whole: Answer) -> None:
    """Nothing that is said of less is refuted by the whole chart."""
    if less.refused:
        assert part in less.refused
        return
    said, true = only(less), only(whole)
    text = "\n".join(less.words)
    if part in ("Observation", "DiagnosticReport", "Procedure"):
        assert not re.search("[Nn]o prior DXA was found", text)
    elif re.search("[Nn]o prior DXA was found", text):
        assert not {"last-dxa", "last-dxa-not-known"} & {
            code for codes in whole.reasons.values() for code in codes
        }
    if part in ("Condition", "MedicationRequest", "MedicationStatement"):
        assert said["timing"] != "early-without-reason"
        assert "no reason for an earlier DXA" not in text
        if said["timing"] == "too-soon" and said["rating"] != "usually-not-appropriate":
            assert said["indicator"] != "warning" or said["scenario"] in ("red-flag", "pregnancy")
    if part == "Condition" and said["scenario"] not in ("red-flag", "pregnancy", "deceased"):
        assert said["scenario"] in ("insufficient-data", "initial-testing")
        assert less.labels in ([], [[]])
    if part == "Observation" and said["timing"] in TIMINGS:
        assert (said["timing"], true["timing"]) == ("too-soon", "too-soon")
    if said["scenario"] == "initial-testing" and part in ("Observation", "Condition"):
        assert true["scenario"] == "initial-testing"
    if said["ratingStatus"] == "rated":
        possible = [item["rating"] for item in true["conditional"] or ()] or [true["rating"]]
        assert said["rating"] in possible
    if said["scenario"] in ESTABLISHED and true["scenario"] == said["scenario"]:
        # A forearm result is the only one on record, whatever a report may add.
        assert set(said["modifiers"]) - {"forearm-only-baseline"} <= set(true["modifiers"])
    if said["indicator"] is not None:
        assert "**Could not be checked**" in text


@pytest.mark.parametrize("drop", [drop_part, drop_page], ids=lambda item: item.__name__)
@pytest.mark.parametrize("part", KEYS)
def test_less_chart(part: str, drop: Callable[[Case, str, random.Random], None]) -> None:
    """A part that is missing or cut off never makes the answer claim what the whole refutes."""

    @EXAMPLES
    @given(charts(is_complete=True), st.integers(0, 2**32))
    def holds(case: Case, seed: int) -> None:
        whole = answer(case)
        drop(case, KEYS[part], dice(seed))
        assert_not_refuted(part, answer(case), whole)

    holds()


@pytest.mark.parametrize("drop", [drop_part, drop_page], ids=lambda item: item.__name__)
@pytest.mark.parametrize("part", KEYS)
def test_less_synthea(part: str, drop: Callable[[Case, str, random.Random], None]) -> None:
    """The same for the Synthea patients."""
    for position, case in enumerate(SYNTHEA):
        less = case.copy()
        drop(less, KEYS[part], dice(position))
        assert_not_refuted(part, answer(less), answer(case))

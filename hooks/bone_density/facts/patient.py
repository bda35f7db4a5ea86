"""Who the patient is: sex and age, each known, an interval, or unknown with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.fhir.dates import DateInterval, completed_years, read_date
from cds_service.fhir.resources import Raw, name_of
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.reading import Reading
from hooks.bone_density.words import Sex

_SEX_EXTENSIONS = (
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-individual-sex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-sex",
    "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex",
)
_SEX_CODES = {
    "248152002": Sex.FEMALE,
    "248153007": Sex.MALE,
    "F": Sex.FEMALE,
    "M": Sex.MALE,
    "female": Sex.FEMALE,
    "male": Sex.MALE,
}


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years at the clinical date; an interval when the birth date is partial."""

    youngest: int
    oldest: int

    def __str__(self) -> str:
        if self.youngest == self.oldest:
            return str(self.youngest)
        return f"{self.youngest} to {self.oldest}"


@dataclass(frozen=True, slots=True)
class Person:
    """Sex, birth and age of the patient; `unknown` says why something is not known."""

    reference: str
    sex: Sex | None
    birth: DateInterval | None
    age: Age | None
    is_deceased: bool
    unknown: Mapping[str, str]


def read_person(reading: Reading) -> Person:
    """Sex from `gender`, then from the US Core extension; age at the clinical date."""
    patient: Raw = next(iter(reading.chart.patient.resources), {})
    unknown: dict[str, str] = {}
    sex = _sex(patient)
    if sex is None:
        unknown["sex"] = "sex not recorded as female or male"
    birth = read_date(patient.get("birthDate"), reading.zone)
    age = None
    if birth is None:
        recorded = bool(patient.get("birthDate"))
        unknown["age"] = "birth date invalid" if recorded else "birth date not recorded"
    elif birth.earliest > reading.as_of:
        unknown["age"] = "birth date lies in the future"
    else:
        youngest = completed_years(min(birth.latest, reading.as_of), reading.as_of)
        oldest = completed_years(birth.earliest, reading.as_of)
        if youngest > reading.known.whole["oldest_plausible_age_years"]:
            unknown["age"] = "birth date not plausible"
        else:
            age = Age(youngest, oldest)
    deceased = patient.get("deceasedBoolean") is True or bool(patient.get("deceasedDateTime"))
    return Person(name_of(patient), sex, birth, age, deceased, unknown)


def _sex(patient: Raw) -> Sex | None:
    gender = patient.get("gender")
    if gender in ("female", "male"):
        return _SEX_CODES[gender]
    extensions = patient.get("extension")
    found: dict[str, Sex | None] = {}
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("url") in _SEX_EXTENSIONS:
            value = extension.get("valueCode")
            coding = extension.get("valueCoding")
            if isinstance(coding, dict):
                value = coding.get("code")
            found[str(extension["url"])] = _SEX_CODES.get(value) if isinstance(value, str) else None
    return next((found[url] for url in _SEX_EXTENSIONS if found.get(url)), None)

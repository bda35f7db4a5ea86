"""Height loss between recorded adult heights."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cds_service.fhir.codings import codings
from cds_service.fhir.dates import DateInterval, completed_years, read_event
from cds_service.fhir.quantities import Measured, Unit, Unreadable, read_quantity
from cds_service.fhir.resources import Raw, name_of, status_of
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.measurements import FINAL
from hooks.bone_density.facts.patient import Person
from hooks.bone_density.facts.reading import VOID, Reading, has_code


@dataclass(frozen=True, slots=True)
class HeightLoss:
    """Difference between the greatest earlier and the latest adult height, in cm."""

    loss_cm: Decimal
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Height:
    value_cm: Decimal
    when: DateInterval
    resource: Raw


def read_height_loss(
    reading: Reading, observations: Iterable[Raw], person: Person
) -> HeightLoss | None:
    """The loss when two usable heights of adult age exist, else None (unknown).

    Only the two heights that decide are checked as FHIR: charts hold dozens of heights.
    """
    heights = [found for item in observations if (found := _height(item, reading, person))]
    heights.sort(key=lambda item: (item.when.latest, name_of(item.resource)))
    latest = _last_valid(heights, reading)
    heights.sort(key=lambda item: (item.value_cm, name_of(item.resource)))
    greatest = _last_valid(heights, reading)
    if latest is None or greatest is None or len(heights) < 2:
        return None
    loss = greatest.value_cm - latest.value_cm
    return HeightLoss(loss, (name_of(greatest.resource), name_of(latest.resource)))


def _last_valid(heights: list[_Height], reading: Reading) -> _Height | None:
    """The last height that is valid; those after it are taken out."""
    while heights and not reading.accept(heights[-1].resource):
        heights.pop()
    return heights[-1] if heights else None


def _height(observation: Raw, reading: Reading, person: Person) -> _Height | None:
    concept = observation["code"]
    if not (
        reading.settings.local_codes or has_code(concept.get("coding"), reading.known.height_codes)
    ):
        return None
    coded = reading.settings.expand(codings(concept))
    if "body-height" not in reading.known.memberships(coded):
        return None
    if status_of(observation) in VOID:
        return None
    when = read_event(observation, "effective", reading.zone)
    quantity = read_quantity(observation.get("valueQuantity"))
    value = _value_cm(quantity)
    if status_of(observation) not in FINAL or when is None or value is None:
        if isinstance(quantity, Unreadable) and quantity.reason == "value-not-a-number":
            reading.lose(observation, quantity.reason)
        else:
            reading.accept(observation)  # a valid one is no height, a damaged one may be one
        return None
    if reading.is_future(when):
        return None
    number = reading.known.number
    low, high = number["plausible_height_min_cm"], number["plausible_height_max_cm"]
    if not low <= value <= high or person.birth is None:
        return None
    adult = reading.known.whole["adult_height_age_years"]
    if completed_years(person.birth.latest, when.earliest) < adult:
        return None
    return _Height(value, when, observation)


def _value_cm(quantity: Measured | Unreadable) -> Decimal | None:
    """The height in cm where it is stated as one number."""
    if not isinstance(quantity, Measured) or quantity.unit is not Unit.CM or quantity.comparator:
        return None
    return quantity.value

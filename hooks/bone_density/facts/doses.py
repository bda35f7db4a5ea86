"""Structured doses: prednisone-equivalent per day, and how long a supply lasts."""

from __future__ import annotations

from decimal import Decimal

from cds_service.fhir.quantities import Measured, Unit, decimal, read_quantity
from cds_service.fhir.resources import Raw
from hooks.bone_density.drugs import DrugMatch

_DAYS = {"d": 1, "wk": 7, "mo": 30, "a": 365}
_UNITS_OF_USE = frozenset(
    {"{tbl}", "{tablet}", "{tab}", "tablet", "tablets", "tab", "{pill}", "{capsule}", "capsule"}
)


def daily_prednisone_mg(resource: Raw, match: DrugMatch) -> Decimal | None:
    """Daily dose in mg of prednisone equivalent, only where it is structured; else None.

    Read from the dose quantity (mg, or tablets of a known strength) and the timing; several
    instructions add up only when each of them can be read.
    """
    if match.prednisone_equivalent_per_mg is None:
        return None
    instructions = resource.get("dosageInstruction", resource.get("dosage"))
    if not isinstance(instructions, list) or not instructions:
        return None
    total = Decimal(0)
    for instruction in instructions:
        daily = _daily_mg(instruction, match)
        if daily is None:
            return None
        total += daily
    return total * match.prednisone_equivalent_per_mg


def _daily_mg(instruction: object, match: DrugMatch) -> Decimal | None:
    if not isinstance(instruction, dict) or instruction.get("asNeededBoolean") is True:
        return None
    doses = instruction.get("doseAndRate")
    first = doses[0] if isinstance(doses, list) and len(doses) == 1 else None
    quantity = first.get("doseQuantity") if isinstance(first, dict) else None
    dose = _dose_mg(quantity, match)
    per_day = _times_per_day(instruction.get("timing"))
    if dose is None or dose <= 0 or per_day is None:  # nobody takes less than nothing
        return None
    return dose * per_day


def _dose_mg(quantity: object, match: DrugMatch) -> Decimal | None:
    if not isinstance(quantity, dict):
        return None
    measured = read_quantity(quantity)
    if isinstance(measured, Measured) and measured.unit is Unit.MG and not measured.comparator:
        return measured.value
    stated = {str(quantity.get(key, "")).strip().casefold() for key in ("unit", "code")}
    count = decimal(quantity.get("value"))
    if count is not None and match.strength_mg is not None and stated & _UNITS_OF_USE:
        return count * match.strength_mg
    return None


def _times_per_day(timing: object) -> Decimal | None:
    repeat = timing.get("repeat") if isinstance(timing, dict) else None
    if not isinstance(repeat, dict):
        return None
    days = _DAYS.get(str(repeat.get("periodUnit")))
    period = decimal(repeat.get("period"))
    frequency = decimal(repeat.get("frequency", 1))
    if days is None or not period or period <= 0 or frequency is None or frequency <= 0:
        return None
    return frequency / (period * days)


def supply_days(request: Raw) -> int | None:
    """Days that a MedicationRequest supplies, repeats included; None when it does not say."""
    dispense = request.get("dispenseRequest")
    if not isinstance(dispense, dict):
        return None
    duration = dispense.get("expectedSupplyDuration")
    if not isinstance(duration, dict):
        return None
    value = decimal(duration.get("value"))
    days = _DAYS.get(str(duration.get("code") or duration.get("unit")).rstrip("s")) or (
        1 if str(duration.get("unit", "")).casefold() in ("day", "days") else None
    )
    if value is None or days is None or value <= 0:
        return None
    repeats = dispense.get("numberOfRepeatsAllowed")
    times = 1 + repeats if isinstance(repeats, int) and 0 <= repeats < 100 else 1
    return int(value * days * times)

"""Quantities with a closed table of units: what is not in it is not read."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from cds_service.values import dataclass


class Unit(StrEnum):
    """Units the service reads, each the target of the spellings in its table."""

    T_SCORE = "T-score"
    Z_SCORE = "Z-score"
    SCORE = "score"
    G_PER_CM2 = "g/cm2"
    CM = "cm"
    MG = "mg"


_LONGEST_SPELLINGS = 200
"""Characters of text and code; what is longer is no unit, and must not be kept in a cache."""

_SCORES = (Unit.T_SCORE, Unit.Z_SCORE)
"""A bare score may be either, so it does not contradict them."""

_SPELLINGS: dict[str, tuple[Unit, Decimal]] = {
    "{t-score}": (Unit.T_SCORE, Decimal(1)),
    "{tscore}": (Unit.T_SCORE, Decimal(1)),
    "{t_score}": (Unit.T_SCORE, Decimal(1)),
    "t-score": (Unit.T_SCORE, Decimal(1)),
    "t score": (Unit.T_SCORE, Decimal(1)),
    "tscore": (Unit.T_SCORE, Decimal(1)),
    "{z-score}": (Unit.Z_SCORE, Decimal(1)),
    "{zscore}": (Unit.Z_SCORE, Decimal(1)),
    "{z_score}": (Unit.Z_SCORE, Decimal(1)),
    "z-score": (Unit.Z_SCORE, Decimal(1)),
    "z score": (Unit.Z_SCORE, Decimal(1)),
    "zscore": (Unit.Z_SCORE, Decimal(1)),
    "1": (Unit.SCORE, Decimal(1)),
    "{score}": (Unit.SCORE, Decimal(1)),
    "score": (Unit.SCORE, Decimal(1)),
    "{s.d.}": (Unit.SCORE, Decimal(1)),
    "{sd}": (Unit.SCORE, Decimal(1)),
    "sd": (Unit.SCORE, Decimal(1)),
    "{std}": (Unit.SCORE, Decimal(1)),
    "g/cm2": (Unit.G_PER_CM2, Decimal(1)),
    "g/cm-2": (Unit.G_PER_CM2, Decimal(1)),
    "g/cm²": (Unit.G_PER_CM2, Decimal(1)),
    "g/cm^2": (Unit.G_PER_CM2, Decimal(1)),
    "g/cm*2": (Unit.G_PER_CM2, Decimal(1)),
    "g.cm-2": (Unit.G_PER_CM2, Decimal(1)),
    "gm/cm2": (Unit.G_PER_CM2, Decimal(1)),
    "mg/cm2": (Unit.G_PER_CM2, Decimal("0.001")),
    "mg/cm²": (Unit.G_PER_CM2, Decimal("0.001")),
    "cm": (Unit.CM, Decimal(1)),
    "m": (Unit.CM, Decimal(100)),
    "mm": (Unit.CM, Decimal("0.1")),
    "in": (Unit.CM, Decimal("2.54")),
    "[in_i]": (Unit.CM, Decimal("2.54")),
    "mg": (Unit.MG, Decimal(1)),
    "g": (Unit.MG, Decimal(1000)),
    "ug": (Unit.MG, Decimal("0.001")),
    "μg": (Unit.MG, Decimal("0.001")),
    "mcg": (Unit.MG, Decimal("0.001")),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A number in one of our units; `comparator` `<`, `<=`, `>`, `>=` makes it a bound.

    `unit` is None when the resource states none.
    """

    value: Decimal
    unit: Unit | None
    comparator: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a value could not be read: a stable reason code."""

    reason: str


_NUMBERS = (int, float, Decimal)


def decimal(number: object) -> Decimal | None:
    """A JSON number as the decimal it was written as; anything else is None."""
    if isinstance(number, bool) or not isinstance(number, _NUMBERS):
        return None
    try:
        found = Decimal(str(number))
    except ValueError:  # more digits than Python turns into text
        return None
    return found if found.is_finite() else None


def read_quantity(quantity: object) -> Measured | Unreadable:
    """A Quantity in the units of the table.

    The `unit` text and the UCUM `code` must not disagree; an unknown unit is not converted.
    """
    if not isinstance(quantity, dict):
        return Unreadable("value-missing")
    value = decimal(quantity.get("value"))
    if value is None:
        return Unreadable("value-not-a-number" if "value" in quantity else "value-missing")
    comparator = quantity.get("comparator")
    if comparator is not None and comparator not in ("<", "<=", ">", ">="):
        return Unreadable("comparator-unknown")
    text, code = quantity.get("unit"), quantity.get("code")
    text, code = text if isinstance(text, str) else "", code if isinstance(code, str) else ""
    if len(text) + len(code) > _LONGEST_SPELLINGS:
        return Unreadable("unit-unknown")
    unit = _unit(text, code)
    if isinstance(unit, str):
        return Unreadable(unit)
    return Measured(value if unit.factor == 1 else value * unit.factor, unit.unit, comparator)


@dataclass(frozen=True, slots=True)
class _Scaled:
    unit: Unit | None
    factor: Decimal


@lru_cache(maxsize=1024)
def _unit(*spellings: str) -> _Scaled | str:
    """The unit that unit text and code agree on, or the reason why there is none."""
    texts = [text.strip().casefold() for text in spellings if text.strip()]
    found = [_SPELLINGS.get(text) for text in texts]
    if any(entry is None for entry in found):
        return "unit-unknown"
    known = {entry for entry in found if entry is not None}
    scores = {entry for entry in known if entry[0] in _SCORES}
    specific = known - {_SPELLINGS["score"]} if scores else known
    if len(specific) > 1:
        return "unit-and-code-disagree"
    if not specific:
        return _Scaled(None, Decimal(1))
    return _Scaled(*specific.pop())

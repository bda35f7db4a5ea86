"""Quantities: a closed table of units, and a reason for everything that is not read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.fhir.quantities import Measured, Unit, Unreadable, decimal, read_quantity

UNKNOWN = "unit-unknown"
DISAGREE = "unit-and-code-disagree"


@pytest.mark.parametrize(
    ("unit", "expected", "factor"),
    [
        ("{T-score}", Unit.T_SCORE, "1"),
        ("{tscore}", Unit.T_SCORE, "1"),
        ("{t_score}", Unit.T_SCORE, "1"),
        ("t-score", Unit.T_SCORE, "1"),
        ("T score", Unit.T_SCORE, "1"),
        ("TScore", Unit.T_SCORE, "1"),
        (" {T-Score} ", Unit.T_SCORE, "1"),
        ("{Z-score}", Unit.Z_SCORE, "1"),
        ("{zscore}", Unit.Z_SCORE, "1"),
        ("{z_score}", Unit.Z_SCORE, "1"),
        ("z-score", Unit.Z_SCORE, "1"),
        ("Z score", Unit.Z_SCORE, "1"),
        ("ZScore", Unit.Z_SCORE, "1"),
        ("1", Unit.SCORE, "1"),
        ("{score}", Unit.SCORE, "1"),
        ("score", Unit.SCORE, "1"),
        ("{s.d.}", Unit.SCORE, "1"),
        ("{sd}", Unit.SCORE, "1"),
        ("SD", Unit.SCORE, "1"),
        ("{std}", Unit.SCORE, "1"),
        ("g/cm2", Unit.G_PER_CM2, "1"),
        ("g/cm-2", Unit.G_PER_CM2, "1"),
        ("g/cm²", Unit.G_PER_CM2, "1"),
        ("g/cm^2", Unit.G_PER_CM2, "1"),
        ("g/cm*2", Unit.G_PER_CM2, "1"),
        ("g.cm-2", Unit.G_PER_CM2, "1"),
        ("gm/cm2", Unit.G_PER_CM2, "1"),
        ("G/CM2", Unit.G_PER_CM2, "1"),
        ("mg/cm2", Unit.G_PER_CM2, "0.001"),
        ("mg/cm²", Unit.G_PER_CM2, "0.001"),
        ("cm", Unit.CM, "1"),
        ("m", Unit.CM, "100"),
        ("mm", Unit.CM, "0.1"),
        ("in", Unit.CM, "2.54"),
        ("[in_i]", Unit.CM, "2.54"),
        ("mg", Unit.MG, "1"),
        ("g", Unit.MG, "1000"),
        ("ug", Unit.MG, "0.001"),
        ("mcg", Unit.MG, "0.001"),
        ("µg", Unit.MG, "0.001"),
        ("", None, "1"),
        (" ", None, "1"),
    ],
)
def test_unit(unit: str, expected: Unit | None, factor: str) -> None:
    """A listed spelling is its unit, as text or as code; the number is converted exactly."""
    measured = Measured(Decimal("1.23") * Decimal(factor), expected)
    assert read_quantity({"value": 1.23, "unit": unit}) == measured
    assert read_quantity({"value": 1.23, "code": unit}) == measured
    assert read_quantity({"value": 1.23, "unit": unit, "code": unit}) == measured


@pytest.mark.parametrize(
    "unit",
    [
        "[T-score]",
        "{T score}",
        "T",
        "{T}",
        "T-score, lumbar",
        "mg/cm3",  # volumetric, of QCT
        "g/cm3",
        "mg/cc",
        "g/cm",
        "g/m2",
        "kg/m2",
        "g/cm 2",
        "g / cm2",
        "%",
        "{%}",
        "ft",
        "[ft_i]",
        "kg",
        "mL",
        "{tbl}",
        "mg/d",
        "furlong",
        "2",
        "1.0",
    ],
)
def test_unknown_unit(unit: str) -> None:
    """A spelling that is not listed is not guessed, not even beside one that is."""
    assert read_quantity({"value": 1, "unit": unit}) == Unreadable(UNKNOWN)
    assert read_quantity({"value": 1, "code": unit}) == Unreadable(UNKNOWN)
    assert read_quantity({"value": 1, "unit": "g/cm2", "code": unit}) == Unreadable(UNKNOWN)


@pytest.mark.parametrize(
    ("unit", "code", "expected"),
    [
        ("T-score", "1", Unit.T_SCORE),
        ("1", "{z-score}", Unit.Z_SCORE),
        ("SD", "{T-score}", Unit.T_SCORE),
        ("score", "1", Unit.SCORE),
        ("g/cm²", "g/cm2", Unit.G_PER_CM2),
        ("inches", "[in_i]", UNKNOWN),
        ("in", "[in_i]", Unit.CM),
        ("g/cm2", " ", Unit.G_PER_CM2),
        (None, "g/cm2", Unit.G_PER_CM2),
        (7, "mg", Unit.MG),
        ("mg", ["g"], Unit.MG),
        (None, None, None),
        ("T-score", "{Z-score}", DISAGREE),
        ("g/cm2", "{T-score}", DISAGREE),
        ("mg/cm2", "g/cm2", DISAGREE),
        ("g/cm2", "mg/cm2", DISAGREE),
        ("mg", "g", DISAGREE),
        ("mcg", "mg", DISAGREE),
        ("cm", "m", DISAGREE),
        ("cm", "mg", DISAGREE),
        ("g/cm2", "1", DISAGREE),
        ("mg", "{score}", DISAGREE),
        ("mg", "furlong", UNKNOWN),
    ],
)
def test_unit_beside_code(unit: object, code: object, expected: Unit | str | None) -> None:
    """Text and code agree, or one is more exact about a score; a contradiction is not guessed."""
    found = read_quantity({"value": 5, "unit": unit, "code": code})
    is_reason = expected in (UNKNOWN, DISAGREE)
    assert (found.reason if isinstance(found, Unreadable) else found.unit) == expected
    assert isinstance(found, Unreadable) == is_reason


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ({"value": -1.8}, Measured(Decimal("-1.8"), None)),
        ({"value": 0}, Measured(Decimal(0), None)),
        ({"value": -2.25, "unit": "{T-score}"}, Measured(Decimal("-2.25"), Unit.T_SCORE)),
        ({"value": 800, "unit": "mg/cm2"}, Measured(Decimal("0.8"), Unit.G_PER_CM2)),
        ({"value": 812.5, "unit": "mg/cm²"}, Measured(Decimal("0.8125"), Unit.G_PER_CM2)),
        ({"value": 1.6, "unit": "m"}, Measured(Decimal(160), Unit.CM)),
        ({"value": 1600, "unit": "mm"}, Measured(Decimal(160), Unit.CM)),
        ({"value": 10, "unit": "in"}, Measured(Decimal("25.4"), Unit.CM)),
        ({"value": 5000, "unit": "ug"}, Measured(Decimal(5), Unit.MG)),
        ({"value": 0.1, "unit": "g"}, Measured(Decimal(100), Unit.MG)),
        ({"value": 1e-7, "unit": "mg/cm2"}, Measured(Decimal("1E-10"), Unit.G_PER_CM2)),
        ({"value": Decimal("0.30"), "unit": "g"}, Measured(Decimal(300), Unit.MG)),
        ({"unit": "mg"}, Unreadable("value-missing")),
        ({}, Unreadable("value-missing")),
        (None, Unreadable("value-missing")),
        ([], Unreadable("value-missing")),
        ("5 mg", Unreadable("value-missing")),
        (5, Unreadable("value-missing")),
        ({"value": "5"}, Unreadable("value-not-a-number")),
        ({"value": "-1.8", "unit": "{T-score}"}, Unreadable("value-not-a-number")),
        ({"value": "-2.5 to -1.5"}, Unreadable("value-not-a-number")),
        ({"value": "<-2.5"}, Unreadable("value-not-a-number")),
        ({"value": None}, Unreadable("value-not-a-number")),
        ({"value": True}, Unreadable("value-not-a-number")),
        ({"value": [1]}, Unreadable("value-not-a-number")),
        ({"value": {"value": 1}}, Unreadable("value-not-a-number")),
        ({"low": {"value": 1}, "high": {"value": 2}}, Unreadable("value-missing")),  # a Range
        ({"value": "5", "comparator": "~", "unit": "?"}, Unreadable("value-not-a-number")),
        ({"value": 5, "comparator": "~", "unit": "?"}, Unreadable("comparator-unknown")),
    ],
)
def test_value(quantity: object, expected: Measured | Unreadable) -> None:
    """A number is read as it was written; strings, ranges and booleans are none."""
    assert read_quantity(quantity) == expected


@pytest.mark.parametrize(
    ("comparator", "is_read"),
    [
        ("<", True),
        ("<=", True),
        (">=", True),
        (">", True),
        (None, True),
        ("", False),
        (" <", False),
        ("=", False),
        ("~", False),
        ("≤", False),
        ("ad", False),  # FHIR R5
        ("<>", False),
        (5, False),
        (["<"], False),
    ],
)
def test_comparator(comparator: object, is_read: bool) -> None:
    """The comparator stays with the number as a bound; one that is unknown makes it unreadable."""
    quantity: dict[str, Any] = {"value": -2.5, "unit": "{T-score}", "comparator": comparator}
    bound = comparator if isinstance(comparator, str) else None
    assert read_quantity(quantity) == (
        Measured(Decimal("-2.5"), Unit.T_SCORE, bound)
        if is_read
        else Unreadable("comparator-unknown")
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, "1"),
        (-3, "-3"),
        (0.1, "0.1"),
        (-1.8, "-1.8"),
        (0.30, "0.3"),
        (1e21, "1E+21"),
        (Decimal("1.50"), "1.50"),
        ("1", None),
        (False, None),
        (True, None),
        (None, None),
        ([1], None),
        (1j, None),
        (float("nan"), None),
        (float("-inf"), None),
    ],
)
def test_decimal(number: object, expected: str | None) -> None:
    """A JSON number is the decimal it was written as."""
    found = decimal(number)
    assert (None if found is None else str(found)) == expected


def test_a_number_without_end() -> None:
    """A number of more digits than Python turns into text is no number here."""
    assert decimal(10**5000) is None


def test_unit_longer_than_any() -> None:
    """A unit of a megabyte is none."""
    quantity = {"value": 1, "unit": "mg", "code": "x" * 1_000_000}
    assert read_quantity(quantity) == Unreadable("unit-unknown")

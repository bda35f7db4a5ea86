"""Bone density results from Observations: T, Z and g/cm² told apart by code only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from cds_service.fhir.codings import CodedValue, codings, concepts
from cds_service.fhir.dates import DateInterval, read_event
from cds_service.fhir.quantities import Measured, Unit, Unreadable, read_quantity
from cds_service.fhir.resources import (
    Raw,
    identity,
    name_of,
    reference_text,
    status_of,
    status_words,
)
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.reading import Reading
from hooks.bone_density.words import HIP_SITES, SPINE_SITES, USABLE_SITES, Kind, Site

KIND_SETS = {"t-score": Kind.T_SCORE, "z-score": Kind.Z_SCORE, "areal-bmd": Kind.BMD}
FINAL = frozenset({"final", "amended", "corrected"})
_VOID = frozenset({"entered-in-error", "cancelled"})
_UNITS = {
    Kind.T_SCORE: frozenset({Unit.T_SCORE, Unit.SCORE, None}),
    Kind.Z_SCORE: frozenset({Unit.Z_SCORE, Unit.SCORE, None}),
    Kind.BMD: frozenset({Unit.G_PER_CM2}),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One readable result: T-score, Z-score, or BMD in g/cm².

    `comparator` makes the value a bound. `when` is None when the result carries no date.
    """

    reference: str
    kind: Kind
    site: Site
    side: str | None
    value: Decimal
    comparator: str | None
    when: DateInterval | None
    device: str | None

    @property
    def day(self) -> date | None:
        """The day of the result, None without an exact one."""
        return self.when.latest if self.when and self.when.is_exact else None

    def is_certainly_below(self, limit: Decimal, *, or_equal: bool = False) -> bool:
        """Whether the value lies below a limit whatever the bound leaves open."""
        if self.comparator in (">", ">="):
            return False
        if self.comparator == "<":
            return self.value <= limit
        return self.value <= limit if or_equal else self.value < limit

    def may_be_below(self, limit: Decimal, *, or_equal: bool = False) -> bool:
        """Whether the value, or one that the bound leaves possible, lies below a limit."""
        if self.comparator in ("<", "<="):
            return True
        reaches = or_equal and self.comparator != ">"
        return self.value <= limit if reaches else self.value < limit


@dataclass(frozen=True, slots=True)
class Performed:
    """A scan that an Observation documents without a value that can be used."""

    reference: str
    site: Site
    when: DateInterval | None


@dataclass(frozen=True, slots=True)
class Measurements:
    """All results: the usable ones, scans without a readable value, and unusable results.

    `sites` says by `identity` of an Observation that it is a result, used or not, and where it was
    measured when it is used: several may come without an id, and so have one name.
    """

    usable: tuple[Measurement, ...]
    performed: tuple[Performed, ...]
    unusable: Mapping[str, str]
    sites: Mapping[str | int, Site | None]


@dataclass(frozen=True, slots=True)
class _NotUsed:
    """Why a result is not used; `scanned` when it still shows that a site was scanned."""

    reason: str
    scanned: Site | None = None


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: Kind
    site: Site
    side: str | None


def read_measurements(reading: Reading, observations: Iterable[Raw]) -> Measurements:
    """Every bone density result among the observations.

    Not used: results in error or not final, of contradictory codes, dated in the future, of a unit
    that is not in the table, and numbers outside the plausible range.
    """
    usable: list[Measurement] = []
    performed: list[Performed] = []
    unusable: dict[str, str] = {}
    sites: dict[str | int, Site | None] = {}
    for observation in observations:
        parts = list(_parts(observation, reading))
        if not parts:
            reading.pass_over(observation, *_codes(observation))
            continue
        if status_of(observation) in _VOID:
            reading.ignore(observation, str(status_of(observation)))
            continue
        key = identity(observation)
        sites.setdefault(key, None)
        if not _is_final(observation, reading, unusable):
            continue
        when = read_event(observation, "effective", reading.zone)
        for element, meanings in parts:
            outcome = _read(observation, element, meanings, when, reading)
            if isinstance(outcome, Measurement):
                usable.append(outcome)
                sites[key] = outcome.site
                continue
            reference = name_of(observation)
            unusable.setdefault(reference, outcome.reason)
            if outcome.scanned is not None:
                performed.append(Performed(reference, outcome.scanned, when))
    for reference, reason in unusable.items():
        reading.ignored.setdefault(reference, reason)
    return Measurements(_without_repeats(usable), tuple(performed), unusable, sites)


def _codes(observation: Raw) -> list[object]:
    """The codes of an Observation and its components; None for one that is not to be found."""
    components = observation.get("component", [])
    listed = components if isinstance(components, list) else [None]
    inner = [item.get("code") if isinstance(item, dict) else None for item in listed]
    return [observation["code"], *inner]


def _parts(observation: Raw, reading: Reading) -> Iterator[tuple[Raw, set[_Meaning]]]:
    """The Observation itself and its components, as far as they are bone density results."""
    elements = [observation]
    components = observation.get("component")
    if isinstance(components, list):
        elements += components
    for element in elements:
        if isinstance(element, dict):
            meanings = _meanings(reading.settings.expand(codings(element.get("code"))), reading)
            if meanings:
                yield element, meanings


def _meanings(coded: tuple[CodedValue, ...], reading: Reading) -> set[_Meaning]:
    return {
        _meaning(set_id, concept.attributes["site"], concept.attributes.get("side"))
        for coding in coded
        for set_id, concept in reading.known.memberships((coding,)).items()
        if set_id in KIND_SETS
    }


@lru_cache(maxsize=256)
def _meaning(set_id: str, site: str, side: str | None) -> _Meaning:
    return _Meaning(KIND_SETS[set_id], Site(site), side)


def _is_final(observation: Raw, reading: Reading, unusable: dict[str, str]) -> bool:
    if not reading.accept(observation):
        unusable[name_of(observation)] = reading.ignored[name_of(observation)]
        return False
    if status_of(observation) not in FINAL:
        unusable[name_of(observation)] = status_words(observation)
        return False
    return True


def _read(
    observation: Raw,
    element: Raw,
    meanings: set[_Meaning],
    when: DateInterval | None,
    reading: Reading,
) -> Measurement | _NotUsed:
    """One result, or the reason why it is not used."""
    meaning = _one_meaning(meanings)
    if meaning is None:
        return _NotUsed("codes-contradict-each-other")
    site = _site(observation, meaning, reading)
    if site is None:
        return _NotUsed("body-site-contradicts-code")
    if when is not None and reading.is_future(when):
        return _NotUsed("future-dated")
    if element.get("dataAbsentReason") or (
        element is not observation and "valueQuantity" not in element
    ):
        return _NotUsed("no-value")
    if "valueQuantity" not in element:
        stated = any(key.startswith("value") for key in element)
        return _NotUsed("value-not-a-quantity" if stated else "no-value", site)
    quantity = read_quantity(element["valueQuantity"])
    if isinstance(quantity, Unreadable):
        return _NotUsed(quantity.reason, site)
    reason = _implausible(quantity, meaning.kind, reading)
    if reason is not None:
        return _NotUsed(reason, site)
    if site not in USABLE_SITES:
        return _NotUsed(f"{site.value}-is-no-baseline", site)
    return Measurement(
        reference=name_of(observation),
        kind=meaning.kind,
        site=site,
        side=meaning.side,
        value=quantity.value,
        comparator=quantity.comparator,
        when=when,
        device=reference_text(observation.get("device")),
    )


def _one_meaning(meanings: set[_Meaning]) -> _Meaning | None:
    """The meaning several codes agree on: same kind and site, sides not contradictory."""
    if len(meanings) == 1:
        return next(iter(meanings))
    if len({(meaning.kind, meaning.site) for meaning in meanings}) > 1:
        return None
    sides = {meaning.side for meaning in meanings if meaning.side}
    if len(sides) > 1:
        return None
    first = next(iter(meanings))
    return _Meaning(first.kind, first.site, sides.pop() if sides else None)


def _site(observation: Raw, meaning: _Meaning, reading: Reading) -> Site | None:
    """The site of the code, made more exact by a coded body site; None when they contradict."""
    site = meaning.site
    for concept in concepts(observation.get("bodySite")):
        entry = reading.known.memberships(codings(concept)).get("body-site")
        if entry is None:
            continue
        stated = Site(entry.attributes["site"])
        if site in HIP_SITES and stated in HIP_SITES:
            site = Site.FEMORAL_NECK if stated is Site.FEMORAL_NECK else site
        elif site in SPINE_SITES and stated in SPINE_SITES:
            site = Site.LUMBAR_SPINE
        elif site is Site.UNSPECIFIED:
            site = stated
        elif stated is not site:
            return None
    return site


def _implausible(quantity: Measured, kind: Kind, reading: Reading) -> str | None:
    if quantity.unit not in _UNITS[kind]:
        return "unit-missing" if quantity.unit is None else "unit-contradicts-code"
    number = reading.known.number
    low, high = (
        (number["plausible_bmd_min_g_per_cm2"], number["plausible_bmd_max_g_per_cm2"])
        if kind is Kind.BMD
        else (number["plausible_score_min"], number["plausible_score_max"])
    )
    if low <= quantity.value <= high:
        return None
    return "value-not-plausible"


def _without_repeats(found: list[Measurement]) -> tuple[Measurement, ...]:
    """One of each result that came twice under different ids, in a stable order."""
    seen: dict[tuple[object, ...], Measurement] = {}
    for item in sorted(found, key=lambda item: item.reference):
        same = (item.kind, item.site, item.side, item.value, item.comparator, item.device)
        # Two undated results may be of two days: they are told apart by their ids.
        seen.setdefault((*same, item.when or item.reference), item)
    return tuple(seen.values())

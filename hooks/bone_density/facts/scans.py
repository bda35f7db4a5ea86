"""When bone density was last measured: from Observations, DiagnosticReports and Procedures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from cds_service.fhir.codings import codings
from cds_service.fhir.dates import DateInterval, completed_months, read_event
from cds_service.fhir.resources import (
    Raw,
    identity,
    name_of,
    resolve,
    says_status,
    status_of,
    status_words,
)
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.measurements import FINAL, Measurements
from hooks.bone_density.facts.reading import REPORTED, VOID, Reading
from hooks.bone_density.orders import most_exact, studies_of
from hooks.bone_density.words import CENTRAL_SITES, Site, Study

_CENTRAL_STUDIES = frozenset({Study.DXA_SPINE_HIP, Study.DXA_SPINE_HIP_VFA, Study.DXA_UNSPECIFIED})


@dataclass(frozen=True, slots=True)
class Scan:
    """One earlier scan; `has_result` says whether a result of it can be read."""

    reference: str
    when: DateInterval | None
    has_result: bool


@dataclass(frozen=True, slots=True)
class Scans:
    """Earlier scans by what they can say about the last DXA.

    `central`: DXA of spine, hip or femur, or DXA whose site is not stated. `forearm`: forearm
    only. `unstated`: a density scan whose modality or site leaves open whether it was one.
    `elsewhere`: ultrasound, quantitative CT, heel and the like, which date no DXA.
    `last_central`: when the newest dated central DXA was, an interval when dates are partial.
    """

    central: tuple[Scan, ...]
    forearm: tuple[Scan, ...]
    unstated: tuple[Scan, ...]
    elsewhere: tuple[Scan, ...]
    last_central: DateInterval | None
    is_complete: bool

    @property
    def any_scan(self) -> bool:
        """Whether bone density was measured at all, by whatever method."""
        return bool(self.all)

    @property
    def all(self) -> tuple[Scan, ...]:
        """Every scan."""
        return (*self.central, *self.forearm, *self.unstated, *self.elsewhere)

    @property
    def no_central_found(self) -> bool:
        """True when a complete search found no DXA of spine, hip or femur."""
        return self.is_complete and not (self.central or self.unstated)

    @property
    def none_found(self) -> bool:
        """True when a complete search found no scan of any kind."""
        return self.no_central_found and not self.forearm


def newest(scans: Iterable[Scan]) -> DateInterval | None:
    """The interval in which the newest of several dated scans lies."""
    dates = [scan.when for scan in scans if scan.when is not None]
    if not dates:
        return None
    return DateInterval(max(item.earliest for item in dates), max(item.latest for item in dates))


def months_since(when: DateInterval, as_of: date) -> tuple[int, int]:
    """Fewest and most completed months since something, never counting days to come."""
    fewest = completed_months(min(when.latest, as_of), as_of)
    return fewest, completed_months(when.earliest, as_of)


def read_scans(reading: Reading, measurements: Measurements, observations: Iterable[Raw]) -> Scans:
    """Every earlier scan that documents itself by a code; future dates are named, not used."""
    central: list[Scan] = []
    forearm: list[Scan] = []
    unstated: list[Scan] = []
    elsewhere: list[Scan] = []
    for reference, site, when, has_result in _observed(measurements):
        scan = Scan(reference, when, has_result)
        if site in CENTRAL_SITES:
            central.append(scan)
        elif site is Site.FOREARM:
            forearm.append(scan)
        elif site is Site.UNSPECIFIED:
            unstated.append(scan)
    for study, scan in _documented(reading, measurements, observations):
        if study in _CENTRAL_STUDIES:
            central.append(scan)
        elif study is Study.DXA_FOREARM:
            forearm.append(scan)
        elif study in (Study.BONE_DENSITY_UNSPECIFIED, Study.DXA_PERIPHERAL):
            unstated.append(scan)
        else:
            elsewhere.append(scan)
    complete = (
        reading.knows("Observation", "DiagnosticReport", "Procedure") and not measurements.unusable
    )
    return Scans(
        central=tuple(central),
        forearm=tuple(forearm),
        unstated=tuple(unstated),
        elsewhere=tuple(elsewhere),
        last_central=newest(central),
        is_complete=complete,
    )


def _observed(
    measurements: Measurements,
) -> Iterator[tuple[str, Site, DateInterval | None, bool]]:
    for item in measurements.usable:
        yield item.reference, item.site, item.when, True
    for scan in measurements.performed:
        yield scan.reference, scan.site, scan.when, False


def _of_type(resource_type: str, reading: Reading, observations: Iterable[Raw]) -> Iterable[Raw]:
    return observations if resource_type == "Observation" else reading.resources(resource_type)


def _documented(
    reading: Reading, measurements: Measurements, observations: Iterable[Raw]
) -> Iterator[tuple[Study, Scan]]:
    """Scans that a report, a procedure or a panel documents, with the study its code means."""
    for resource_type, accepted, event in (
        ("Observation", FINAL, "effective"),
        ("DiagnosticReport", REPORTED, "effective"),
        ("Procedure", frozenset({"completed"}), "performed"),
    ):
        for resource in _of_type(resource_type, reading, observations):
            if resource_type == "Observation" and (
                identity(resource) in measurements.sites or "dataAbsentReason" in resource
            ):
                continue
            studies = studies_of(codings(resource.get("code")), reading.settings, reading.known)
            if not studies:
                if resource_type != "Observation":  # of those it is known by now
                    reading.pass_over(resource, resource.get("code"))
                continue
            status = status_of(resource)
            if status in VOID:
                reading.ignore(resource, str(status))
                continue
            if not reading.accept(resource):
                continue
            if not says_status(resource):
                reading.lose(resource, "status not known")
                continue
            if status not in accepted:
                reading.ignore(resource, status_words(resource))
                continue
            when = read_event(resource, event, reading.zone)
            if when is not None and reading.is_future(when):
                reading.ignore(resource, "future-dated")
                continue
            study = most_exact(studies)
            sites = _result_sites(resource, reading, measurements.sites)
            if study is Study.DXA_UNSPECIFIED and sites:
                study = Study.DXA_SPINE_HIP if sites & CENTRAL_SITES else Study.DXA_FOREARM
            yield study, Scan(name_of(resource), when, bool(sites))


def _result_sites(
    report: Raw, reading: Reading, known: Mapping[str | int, Site | None]
) -> set[Site]:
    """Sites of the readable results that a report refers to."""
    results = report.get("result", report.get("hasMember"))
    found = set()
    for reference in results if isinstance(results, list) else ():
        observation = resolve(reference, report, reading.chart.related)
        if observation is not None:
            site = known.get(identity(observation))
            if site is not None:
                found.add(site)
    return found

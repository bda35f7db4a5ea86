"""One reading of one chart: what was used, what was not, and what that leaves open."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import field
from datetime import date, timedelta, tzinfo

from cds_service.fhir.checking import problem
from cds_service.fhir.codings import codings, is_readable
from cds_service.fhir.dates import DateInterval
from cds_service.fhir.plain import is_plain
from cds_service.fhir.resources import Raw, has_unknown_meaning, name_of, status_of
from cds_service.protocol.chart import Chart, Ignored
from cds_service.protocol.values import dataclass
from hooks.bone_density.knowledge import Knowledge
from hooks.bone_density.settings import Settings

REPORTED = frozenset({"final", "amended", "corrected", "appended"})
"""Statuses of a report that may be used."""
VOID = frozenset({"entered-in-error", "cancelled", "not-done"})
"""Statuses of what did not happen; whatever else it says is of no matter."""


@dataclass(slots=True)
class Reading:
    """Collects, while one chart is read, every resource that was not used and why.

    `lost` holds the resource types of which something that may matter could not be used: their
    absence must not be read as absence from the patient. `read_whole` are the parts of the chart
    that are known to their end.
    """

    chart: Chart
    settings: Settings
    as_of: date
    known: Knowledge
    ignored: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    read_whole: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = self.chart.parts.items()
        self.read_whole = frozenset([name for name, part in parts if part.is_known])

    @property
    def zone(self) -> tzinfo:
        """The client's time zone."""
        return self.chart.zone

    def resources(self, resource_type: str) -> tuple[Raw, ...]:
        """The received resources of one type."""
        return self.chart.part(resource_type).resources

    def observations(self) -> list[Raw]:
        """Observations that may be results the rules read, found by their bare codes.

        Charts hold hundreds of others: one look at the raw code spares them every further step.
        One whose code cannot be read at all is named as lost.
        """
        wanted = self.known.observation_codes
        if self.settings.local_codes:
            wanted = wanted | {code for _, code in self.settings.local_codes}
        found = []
        for observation in self.chart.part("Observation").resources:
            try:
                listed = observation["code"]["coding"]
                for coding in listed:
                    if coding["code"].strip() in wanted:
                        break
                else:
                    if listed and "component" not in observation:
                        continue
            except (KeyError, TypeError, AttributeError):  # nothing ordinary: step by step
                concept = observation.get("code")
                if not isinstance(concept, dict):
                    self.lose(observation, "code not readable")
                    continue
                if "component" not in observation and not has_code(concept.get("coding"), wanted):
                    self.pass_over(observation, concept)
                    continue
            found.append(observation)
        return found

    def note_unmatched(self) -> None:
        """Counts as lost what may be a relevant record of this patient without saying so."""
        for part in self.chart.parts.values():
            for resource in part.unmatched:
                concept = resource.get("code") or resource.get("medicationCodeableConcept")
                if (
                    part.resource_type.startswith("Medication")
                    or not is_readable(concept)
                    or self.known.memberships(self.settings.expand(codings(concept)))
                ):
                    self.lost.add(part.resource_type)

    def ignore(self, resource: Raw, reason: str) -> None:
        """Names a resource that is rightly not used, e.g. one entered in error."""
        self.ignored.setdefault(name_of(resource), reason)

    def lose(self, resource: Raw, reason: str) -> None:
        """Names a resource that may matter and could not be used."""
        self.ignore(resource, reason)
        self.lost.add(str(resource.get("resourceType")))

    def pass_over(self, resource: Raw, *codes: object) -> None:
        """Has a resource lost whose code is damaged: whether it matters cannot be told.

        A valid code that says little, such as one of words alone, is left as it is.
        """
        if all(map(is_readable, codes)) or status_of(resource) in VOID:
            return
        self.accept(resource)

    def accept(self, resource: Raw) -> bool:
        """Whether a resource that matters may be used: FHIR-valid and without modifiers."""
        if is_plain(resource):  # valid, and no plain shape has room for a modifier
            return True
        if has_unknown_meaning(resource):
            self.lose(resource, "modifier-extension-not-understood")
            return False
        trouble = problem(resource)
        if trouble is not None:
            self.lose(resource, f"not valid FHIR R4: {trouble}")
            return False
        return True

    def knows(self, *resource_types: str) -> bool:
        """True when absence from these parts may be read as absence from the chart."""
        return self.read_whole.issuperset(resource_types) and self.lost.isdisjoint(resource_types)

    def is_future(self, when: DateInterval) -> bool:
        """Whether something certainly lies after the clinical date."""
        return when.earliest > self.as_of

    def is_new(self, when: DateInterval | None) -> bool:
        """Whether something certainly happened within the days that count as new."""
        if when is None or when.earliest > self.as_of:
            return False
        oldest = self.as_of - timedelta(days=self.known.whole["new_finding_days"])
        return when.earliest >= oldest

    def ignored_list(self) -> tuple[Ignored, ...]:
        """Everything not used, by name: the order in which it came says nothing."""
        own = (Ignored(name, reason) for name, reason in self.ignored.items())
        return tuple(
            sorted({*self.chart.ignored, *own}, key=lambda item: (item.resource, item.reason))
        )


def has_code(listed: object, wanted: Set[str]) -> bool:
    """Whether one of the codings carries a wanted code, whatever its system."""
    if not isinstance(listed, list):
        return False
    for coding in listed:
        if isinstance(coding, dict):
            code = coding.get("code")
            if isinstance(code, str) and code.strip() in wanted:
                return True
    return False

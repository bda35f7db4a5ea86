"""Chart → Facts: each with the resources it rests on, or the reason why it is unknown."""

from __future__ import annotations

from datetime import date
from operator import attrgetter

from cds_service.protocol.chart import Chart, Ignored, Unread
from cds_service.protocol.values import dataclass
from hooks.bone_density.facts.conditions import Findings, read_findings
from hooks.bone_density.facts.glucocorticoids import Glucocorticoid, read_glucocorticoid
from hooks.bone_density.facts.heights import HeightLoss, read_height_loss
from hooks.bone_density.facts.low_bmd import LowBmd, read_low_bmd
from hooks.bone_density.facts.measurements import Measurement, Measurements, read_measurements
from hooks.bone_density.facts.medications import Medications, read_medications
from hooks.bone_density.facts.menopause import Belonging, read_belonging
from hooks.bone_density.facts.patient import Person, read_person
from hooks.bone_density.facts.reading import Reading
from hooks.bone_density.facts.scans import Scans, read_scans
from hooks.bone_density.facts.trend import Trend, read_trend
from hooks.bone_density.knowledge import Knowledge, knowledge
from hooks.bone_density.settings import Settings
from hooks.bone_density.words import CENTRAL_SITES, Group, Kind


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules may know of one patient at one clinical date.

    `newest_t_scores` are those of the newest day that has any; of spine and hip before those of
    the forearm. `low_bmd_is_established` says it for some group that is still possible.
    """

    as_of: date
    known: Knowledge
    person: Person
    findings: Findings
    measurements: Measurements
    newest_t_scores: tuple[Measurement, ...]
    scans: Scans
    medications: Medications
    glucocorticoid: Glucocorticoid
    height_loss: HeightLoss | None
    trend: Trend
    belonging: Belonging
    low_bmd: LowBmd
    low_bmd_is_established: bool
    observations_known: bool
    conditions_known: bool
    medications_known: bool
    ignored: tuple[Ignored, ...]
    unread: tuple[Unread, ...]


def newest_scores(measurements: Measurements) -> tuple[Measurement, ...]:
    """T-scores of the newest day, central sites first; undated ones only when none is dated.

    With partial dates, every score that may be of the newest day is among them.
    """
    scores = [item for item in measurements.usable if item.kind is Kind.T_SCORE]
    central = [item for item in scores if item.site in CENTRAL_SITES] or scores
    dates = [item.when for item in central if item.when is not None]
    if not dates:
        return tuple(central)
    newest = max(dates, key=attrgetter("earliest")).earliest
    return tuple([item for item in central if item.when and item.when.latest >= newest])


def read_facts(chart: Chart, settings: Settings, as_of: date) -> Facts:
    """Reads one chart; the same chart in any order gives the same facts.

    What is known of scans and of drugs is settled as soon as they are read: a height that is lost
    afterwards is neither.
    """
    known = knowledge()
    reading = Reading(chart, settings, as_of, known)
    reading.note_unmatched()
    person = read_person(reading)
    findings = read_findings(reading)
    observations = reading.observations()
    measurements = read_measurements(reading, observations)
    scans = read_scans(reading, measurements, observations)
    medications = read_medications(reading, findings)
    glucocorticoid = read_glucocorticoid(reading, medications, findings)
    height_loss = read_height_loss(reading, observations, person)
    belonging = read_belonging(person, findings, known)
    low_bmd = read_low_bmd(measurements, findings, known)
    return Facts(
        as_of=as_of,
        known=known,
        person=person,
        findings=findings,
        measurements=measurements,
        newest_t_scores=newest_scores(measurements),
        scans=scans,
        medications=medications,
        glucocorticoid=glucocorticoid,
        height_loss=height_loss,
        trend=read_trend(reading, measurements.usable),
        belonging=belonging,
        low_bmd=low_bmd,
        low_bmd_is_established=any(map(low_bmd.is_established, belonging.groups or Group)),
        observations_known=reading.knows("Observation"),
        conditions_known=reading.knows("Condition"),
        medications_known=medications.is_complete,
        ignored=reading.ignored_list(),
        unread=(
            *chart.unread,
            *(
                Unread(resource_type, "some resources were not usable")
                for resource_type in sorted(reading.lost & reading.read_whole)
            ),
        ),
    )

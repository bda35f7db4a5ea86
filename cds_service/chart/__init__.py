"""Fills one patient's chart for one call; nothing of another patient gets into it."""

from cds_service.chart.access import FhirAccess
from cds_service.chart.gather import gather
from cds_service.chart.patient_gate import SubjectCheck, check_subjects
from cds_service.chart.prefetch import read_chart

__all__ = ["FhirAccess", "SubjectCheck", "check_subjects", "gather", "read_chart"]

"""Orchestrates one call: orders → chart → decision → cards and explanation."""

from cds_service.engine.answer import Answer, answer
from cds_service.engine.fhir_servers import FhirServers
from cds_service.engine.services import BrokenService, DuplicateService, load_services

__all__ = ["Answer", "BrokenService", "DuplicateService", "FhirServers", "answer", "load_services"]

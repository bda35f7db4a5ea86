"""The CDS clients: the one TOML file that a hospital edits, checked as a whole."""

from cds_service.registry.client import DEVELOPMENT, Client, Registry
from cds_service.registry.problems import RegistryError
from cds_service.registry.reading import load

__all__ = ["DEVELOPMENT", "Client", "Registry", "RegistryError", "load"]

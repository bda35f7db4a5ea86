"""The value objects of the server, for decision services: they import the contract alone."""

from cds_service.values import dataclass as dataclass

__all__ = ["dataclass"]

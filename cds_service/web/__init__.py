"""HTTP: one blueprint per concern, and one module that decides every status code."""

from cds_service.web.app import create_app

__all__ = ["create_app"]

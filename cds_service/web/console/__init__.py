"""The console: an EHR of one page, to try a service and to see how it comes to its answer."""

from cds_service.web.console.views import blueprint

__all__ = ["blueprint"]

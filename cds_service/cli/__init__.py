"""The command line: serve · check · services · explain · client · db."""

from cds_service.cli.commands import main

__all__ = ["main"]

"""Process settings, read once from the CDS_* environment variables and then passed down."""

from cds_service.config.settings import (
    NAMES,
    Auth,
    ConfigError,
    LogFormat,
    LogLevel,
    Mode,
    Settings,
)
from cds_service.config.variables import is_loopback, iso_date

__all__ = [
    "NAMES",
    "Auth",
    "ConfigError",
    "LogFormat",
    "LogLevel",
    "Mode",
    "Settings",
    "is_loopback",
    "iso_date",
]

"""Process settings, read once from the CDS_* environment variables and then passed down."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from cds_service.config.variables import (
    MINIMUM_KEY_BYTES,
    Reader,
    existing_file,
    is_loopback,
    iso_date,
    key,
    key_file,
    line_of_file,
    switch,
    web_address,
    whole_number,
)

NAMES = (
    "CDS_ADMIN_HOST",
    "CDS_ADMIN_PORT",
    "CDS_AS_OF",
    "CDS_AUTH",
    "CDS_CA_FILE",
    "CDS_CLIENTS",
    "CDS_CONSOLE",
    "CDS_DATABASE_URL",
    "CDS_DATABASE_URL_FILE",
    "CDS_EXPLAIN",
    "CDS_HOST",
    "CDS_LOG_FORMAT",
    "CDS_LOG_LEVEL",
    "CDS_MAX_BODY_BYTES",
    "CDS_MODE",
    "CDS_PORT",
    "CDS_PUBLIC_URL",
    "CDS_SECRET_KEY",
    "CDS_SECRET_KEY_FILE",
    "CDS_THREADS",
    "CDS_WORKERS",
)
"""Every variable that means something; any other CDS_* name is an error."""

_DEVELOPMENT_KEY = b"development only: not a secret, never used in production"


class Mode(StrEnum):
    """How careful the process has to be."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Auth(StrEnum):
    """Whether a CDS client has to prove who it is."""

    OFF = "off"
    REQUIRED = "required"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    JSON = "json"
    TEXT = "text"


class ConfigError(Exception):
    """The process settings are wrong; `problems` holds one sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _embedded_database() -> str:
    """A SQLite file among the state of the user; made when something is first kept in it."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"sqlite:///{state}/cds-service/cds-service.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that one process needs to know besides the registry of its CDS clients."""

    mode: Mode = Mode.DEVELOPMENT
    auth: Auth = Auth.OFF
    clients_path: Path | None = None
    as_of: date | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    threads: int = 32
    max_body_bytes: int = 4 * 1024 * 1024
    secret_key: bytes = field(default=_DEVELOPMENT_KEY, repr=False)
    explain_enabled: bool = True
    console_enabled: bool = True
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    public_url: str | None = None
    ca_file: Path | None = None
    database_url: str = field(default_factory=_embedded_database, repr=False)

    @property
    def is_development(self) -> bool:
        """True on a developer's own machine."""
        return self.mode is Mode.DEVELOPMENT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all variables; an empty one counts as absent. Raises ConfigError with every problem.

        `PORT` is taken where `CDS_PORT` is absent.
        """
        given = {k: v.strip() for k, v in environment.items() if k.startswith("CDS_") and v.strip()}
        if "CDS_PORT" not in given and environment.get("PORT", "").strip():
            given["CDS_PORT"] = environment["PORT"].strip()
        read = Reader(given)
        mode = read("CDS_MODE", Mode, Mode.DEVELOPMENT)
        development = mode is Mode.DEVELOPMENT
        settings = cls(
            mode=mode,
            auth=read("CDS_AUTH", Auth, Auth.OFF if development else Auth.REQUIRED),
            clients_path=read("CDS_CLIENTS", existing_file, None),
            as_of=read("CDS_AS_OF", iso_date, None),
            host=read("CDS_HOST", str, "127.0.0.1"),
            port=read("CDS_PORT", whole_number(1, 65535), 8000),
            workers=read("CDS_WORKERS", whole_number(1, 128), 2),
            threads=read("CDS_THREADS", whole_number(1, 256), 32),
            max_body_bytes=read("CDS_MAX_BODY_BYTES", whole_number(1024, 1 << 28), 4 * 1024 * 1024),
            secret_key=_secret_key(read, development),
            explain_enabled=read("CDS_EXPLAIN", switch, development),
            console_enabled=read("CDS_CONSOLE", switch, development),
            log_level=read("CDS_LOG_LEVEL", LogLevel, LogLevel.INFO),
            log_format=read(
                "CDS_LOG_FORMAT", LogFormat, LogFormat.TEXT if development else LogFormat.JSON
            ),
            admin_host=read("CDS_ADMIN_HOST", str, "127.0.0.1"),
            admin_port=read("CDS_ADMIN_PORT", whole_number(1, 65535), None),
            public_url=read("CDS_PUBLIC_URL", web_address, None),
            ca_file=read("CDS_CA_FILE", existing_file, None),
            database_url=_database_url(read),
        )
        problems = (*_unknown_names(given), *read.problems, *_unsafe(settings, given))
        if problems:
            raise ConfigError(problems)
        return settings


def _secret_key(read: Reader, development: bool) -> bytes:
    direct = read("CDS_SECRET_KEY", key, None)
    from_file = read("CDS_SECRET_KEY_FILE", key_file, None)
    if direct and from_file:
        read.problems.append("CDS_SECRET_KEY and CDS_SECRET_KEY_FILE: set one of them, not both")
    missing = "CDS_SECRET_KEY" not in read.given and "CDS_SECRET_KEY_FILE" not in read.given
    if missing and not development:
        read.problems.append(
            "CDS_SECRET_KEY_FILE: production needs a key of its own, "
            f"at least {MINIMUM_KEY_BYTES} bytes, the same on every node"
        )
    return direct or from_file or _DEVELOPMENT_KEY


def _database_url(read: Reader) -> str:
    """It may hold a password: then a file keeps it out of what shows a process's environment."""
    direct = read("CDS_DATABASE_URL", str, None)
    from_file = read("CDS_DATABASE_URL_FILE", line_of_file, None)
    if direct and from_file:
        read.problems.append(
            "CDS_DATABASE_URL and CDS_DATABASE_URL_FILE: set one of them, not both"
        )
    return direct or from_file or _embedded_database()


def _unknown_names(given: Mapping[str, str]) -> list[str]:
    return [
        f"{name}: unknown setting, did you mean {_nearest(name)}?"
        for name in sorted(given)
        if name not in NAMES
    ]


def _nearest(name: str) -> str:
    return difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]


def _unsafe(settings: Settings, given: Mapping[str, str]) -> list[str]:
    problems = []
    if settings.is_development and not is_loopback(settings.host):
        problems.append(
            f"CDS_HOST={settings.host}: development serves this machine only; "
            "use 127.0.0.1 or CDS_MODE=production"
        )
    if settings.admin_port == settings.port:
        problems.append(
            "CDS_ADMIN_PORT: must be another port than CDS_PORT: by it the listeners are told apart"
        )
    if settings.is_development and not is_loopback(settings.admin_host):
        problems.append(
            f"CDS_ADMIN_HOST={settings.admin_host}: development serves this machine only; "
            "use 127.0.0.1 or CDS_MODE=production"
        )
    if not settings.is_development:
        if settings.auth is Auth.OFF:
            problems.append("CDS_AUTH=off: production always requires authentication")
        if settings.as_of is not None:
            problems.append("CDS_AS_OF: production takes today's date; remove this setting")
        if "CDS_CLIENTS" not in given:
            problems.append("CDS_CLIENTS: production needs the file of its CDS clients")
    if settings.auth is Auth.REQUIRED and "CDS_CLIENTS" not in given:
        problems.append("CDS_CLIENTS: authentication needs the file of the CDS clients")
    return list(dict.fromkeys(problems))

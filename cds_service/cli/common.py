"""What all commands share: settings, services and registry, or a clean end with every problem."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from typing import Any, NoReturn, TypeVar

import click

from cds_service.config import ConfigError, Settings, iso_date
from cds_service.engine import BrokenService, load_services
from cds_service.registry import Client, Registry, RegistryError, load
from cds_service.store import StoreError

T = TypeVar("T")


class Day(click.ParamType[date]):
    """A day of the calendar."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """The day that was written."""
        try:
            return iso_date(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def or_stop(read: Callable[[], T]) -> T:
    """The value, or the end of the program with what is wrong."""
    try:
        return read()
    except (ConfigError, RegistryError) as error:
        stop(*error.problems)
    except (BrokenService, StoreError) as error:
        stop(str(error))


def stop(*problems: str) -> NoReturn:
    """Ends the program with status 1 and a line for each problem."""
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    sys.exit(1)


def pretty(document: object) -> str:
    """JSON for people."""
    return json.dumps(document, ensure_ascii=False, indent=2)


def shown(text: str) -> str:
    """A text of others as it is; escaped where it is not plain, such as commands to a terminal."""
    return text if text.isprintable() else repr(text)


def environment_settings() -> Settings:
    """The settings of the environment."""
    return or_stop(lambda: Settings.from_environment(os.environ))


def environment_registry(settings: Settings) -> Registry:
    """The registry that the settings name."""
    return or_stop(lambda: load(settings.clients_path, load_services()))


def client_of(registry: Registry, name: str, parameter: str) -> Client:
    """A client by its name, or a usage error that lists the known ones."""
    client = registry.clients.get(name)
    if client is None:
        known = ", ".join(registry.clients)
        raise click.UsageError(f"{parameter}: no client {name}; known: {known}")
    return client

"""One table of a report: columns with names for files and titles for people, and plain cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from cds_service.protocol.service import Service
from cds_service.records.report.statistics import Rate

Cell: TypeAlias = str | int | float | Rate | None
Labels: TypeAlias = Mapping[tuple[str, str], str]
"""Words of a service for its own codes, by system and code."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in files, its title for people, and whether it holds rates."""

    name: str
    title: str
    is_rate: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `note` says what has to be known to read it, `name` is that of its file."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def short(self) -> Table:
        """The same without the columns in which there is nothing but zeros and gaps."""
        kept = [
            place
            for place in range(len(self.columns))
            if place == 0 or not all(_says_nothing(row[place]) for row in self.rows)
        ]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
        )


def _says_nothing(cell: Cell) -> bool:
    return cell.of == 0 if isinstance(cell, Rate) else not cell


def labels_of(services: Iterable[Service]) -> Labels:
    """The words of services for their own override reasons."""
    return {
        (str(one["system"]), str(one["code"])): str(one["display"])
        for service in services
        for one in service.about().get("overrideReasons", ())
    }

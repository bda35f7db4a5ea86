"""A report as CSV: one file for each table, or one file with a row for each number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from cds_service.records.report.model import Report
from cds_service.records.report.statistics import Rate
from cds_service.records.report.table import Cell, Labels, Table
from cds_service.records.report.tables import tables

Plain = str | int | float | None
_PARTS = ("", "_of", "_share", "_low", "_high")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DIGITS = 6


def heads(table: Table) -> list[str]:
    """The names of a table's columns in files: five for a rate."""
    return [
        column.name + part
        for column in table.columns
        for part in (_PARTS if column.is_rate else _PARTS[:1])
    ]


def flat(row: tuple[Cell, ...]) -> list[Plain]:
    """A row in the columns of `heads`: a rate is count, of, share and its interval."""
    return [value for cell in row for value in _flat(cell)]


def csv_files(report: Report, labels: Labels | None = None) -> dict[str, str]:
    """Every table as a CSV file by its name, those without a row too: nothing is also a number."""
    return {
        f"{table.name}.csv": _csv(heads(table), (flat(row) for row in table.rows))
        for table in tables(report, labels)
    }


def csv_file(report: Report, labels: Labels | None = None) -> str:
    """All tables in one file: a line for each number, with its table, row and column."""
    return _csv(["table", "row", "column", "value"], _lines(tables(report, labels)))


def _lines(found: tuple[Table, ...]) -> Iterator[list[Plain]]:
    for table in found:
        names = heads(table)
        for row in table.rows:
            values = flat(row)
            about = " / ".join(str(cell) for cell in row if isinstance(cell, str))
            for name, value in zip(names, values, strict=True):
                if isinstance(value, int | float):
                    yield [table.name, about, name, value]


def _flat(cell: Cell) -> Iterator[Plain]:
    if not isinstance(cell, Rate):
        yield cell
        return
    low, high = cell.interval or (None, None)
    yield cell.count
    yield cell.of
    for value in (cell.share, low, high):
        yield None if value is None else round(value, _DIGITS)


def _csv(names: list[str], rows: Iterator[list[Plain]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return out.getvalue()


def _harmless(value: Plain) -> Plain:
    # A spreadsheet takes such a text for a formula; codes and client names come from outside.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

"""A report as text for a terminal, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from cds_service.records.report import words
from cds_service.records.report.files import flat, heads
from cds_service.records.report.model import Report
from cds_service.records.report.table import Cell, Labels, Table
from cds_service.records.report.tables import tables

WIDTH = 100
_HEAD = 10


def text(report: Report, labels: Labels | None = None) -> str:
    """The whole report; tables without a row are left out."""
    return "\n".join(_lines(report, labels))


def document(report: Report, labels: Labels | None = None) -> dict[str, Any]:
    """The report as JSON: each table a list of objects, in the columns of the CSV files.

    Shares are fractions; None where there is nothing to share.
    """
    meant = report.filters
    return {
        "madeAt": report.made_at.isoformat(),
        "client": meant.client,
        "service": meant.service,
        "from": meant.since.isoformat() if meant.since else None,
        "before": meant.until.isoformat() if meant.until else None,
        "differentPatients": report.different.patients,
        "differentOrders": report.different.orders,
        "differentOrdersWithCard": report.different.orders_with_card,
        "unknownFeedback": report.unknown_feedback,
        "chartsRead": report.charts_read,
        "tables": {
            one.name: [dict(zip(heads(one), flat(row), strict=True)) for row in one.rows]
            for one in tables(report, labels)
        },
    }


def _lines(report: Report, labels: Labels | None) -> Iterator[str]:
    yield f"Report on {words.scope(report)}"
    yield f"Made {report.made_at:%Y-%m-%d %H:%M} UTC"
    yield ""
    if report.is_empty:
        yield words.nothing(report)
        return
    for sentence in words.sentences(report):
        yield from textwrap.wrap(sentence, WIDTH)
    for table in tables(report, labels):
        if table.rows:
            yield ""
            yield from _table(table.short())
    yield ""
    yield "How to read this"
    for sentence in words.READING:
        yield from textwrap.wrap(sentence, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _table(table: Table) -> Iterator[str]:
    yield table.title
    if table.note:
        yield from textwrap.wrap(table.note, WIDTH)
    cells = [[words.cell(cell) for cell in row] for row in table.rows]
    wrapped = [_wrap(column.title) for column in table.columns]
    deep = max(map(len, wrapped))
    heads = [[""] * (deep - len(head)) + head for head in wrapped]
    widths = [
        max(map(len, (*head, *column)))
        for head, column in zip(heads, zip(*cells, strict=True), strict=True)
    ]
    left = [all(_is_words(row[n]) for row in table.rows) for n in range(len(widths))]
    for row in (*zip(*heads, strict=True), ["─" * width for width in widths], *cells):
        shown = (
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        )
        yield "  ".join(shown).rstrip()


def _wrap(title: str) -> list[str]:
    """A title on lines of the width of its longest word, so that columns stay narrow."""
    return textwrap.wrap(title, max(_HEAD, *map(len, title.split())))


def _is_words(cell: Cell) -> bool:
    return cell is None or isinstance(cell, str)

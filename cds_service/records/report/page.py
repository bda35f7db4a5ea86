"""A report as one HTML page: no script, nothing from elsewhere, one style sheet by its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib import resources
from typing import NamedTuple

from markupsafe import Markup

from cds_service.records.report import words
from cds_service.records.report.making import make_report
from cds_service.records.report.model import Report
from cds_service.records.report.pictures import pictures
from cds_service.records.report.statistics import Rate
from cds_service.records.report.table import Cell, Labels, Table
from cds_service.records.report.tables import tables
from cds_service.store import Database, Filters

STYLE = resources.files(__package__).joinpath("page.css").read_text("utf-8")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'"
"""What the page needs; it is in the page itself too, for the file that somebody opens."""

_PAGE = Markup(
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    "<header><h1>Report on decision support</h1><p>{scope}</p>"
    "<p>Made {made} UTC</p>{links}</header>\n<main>{main}</main>\n</body>\n</html>\n"
)
_SECTION = Markup(
    '<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{note}{pictures}'
    '<div class="scroll" role="region" aria-label="Table: {title}" tabindex="0"><table>'
    "<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>\n"
)


class Link(NamedTuple):
    """A way from one report to another; a group of them is told apart by its name."""

    group: str
    text: str
    address: str
    is_current: bool


def report_page(
    database: Database,
    filters: Filters,
    *,
    now: datetime,
    labels: Labels | None = None,
    links: Iterable[Link] = (),
) -> str:
    """Reads the database and gives the whole page; raises StoreError.

    To be served with CONTENT_SECURITY_POLICY, to people of the hospital only.
    """
    return page(make_report(database, filters, now=now), labels, links)


def page(report: Report, labels: Labels | None = None, links: Iterable[Link] = ()) -> str:
    """The whole page of a report that is made already."""
    scope = words.scope(report)
    return str(
        _PAGE.format(
            policy=CONTENT_SECURITY_POLICY,
            title=f"Report: {scope}",
            style=Markup(STYLE),  # noqa: S704 (our own file)
            scope=scope,
            made=f"{report.made_at:%Y-%m-%d %H:%M}",
            links=_links(tuple(links)),
            main=Markup("").join(_main(report, labels)),
        )
    )


def _links(links: tuple[Link, ...]) -> Markup:
    groups = dict.fromkeys(link.group for link in links)
    return Markup("").join(
        Markup('<nav aria-label="{}"><ul>{}</ul></nav>').format(
            group, Markup("").join(_link(link) for link in links if link.group == group)
        )
        for group in groups
    )


def _link(link: Link) -> Markup:
    mark = Markup(' aria-current="page"') if link.is_current else ""
    return Markup('<li><a href="{}"{}>{}</a></li>').format(link.address, mark, link.text)


def _main(report: Report, labels: Labels | None) -> Iterator[Markup]:
    if report.is_empty:
        yield Markup('<p class="nothing">{}</p>').format(words.nothing(report))
        return
    yield _figures(report)
    said = (Markup("<p>{}</p>").format(one) for one in words.sentences(report))
    yield Markup('<section class="short"><h2>In short</h2>{}</section>\n').format(
        Markup("").join(said)
    )
    drawn = pictures(report, labels)
    for table in tables(report, labels):
        if table.rows:
            yield _section(table.short(), drawn.get(table.name, ()))
    read = Markup("").join(Markup("<li>{}</li>").format(one) for one in words.READING)
    yield Markup('<section class="reading"><h2>How to read this</h2><ul>{}</ul></section>').format(
        read
    )


def _figures(report: Report) -> Markup:
    """The numbers that are looked for first."""
    total, times = report.total, report.total.latency
    shown = [
        ("Calls", words.number(total.calls), f"{words.number(total.eligible_calls)} with an order"),
        (
            "Judged orders",
            words.number(total.judged),
            f"{words.number(report.different.patients)} patients",
        ),
    ]
    if total.shown or not total.would_show:
        different = f"{words.number(total.cards)} different"
        shown.append(("Cards shown", words.number(total.shown), different))
    if total.would_show:
        silent = words.number(total.would_show)
        shown.append(("Would have been shown", silent, "silent mode"))
    if total.cards:
        shown += [
            ("Feedback", *_rate(total.feedback)),
            ("Accepted", *_rate(total.acceptance)),
            ("Overridden", *_rate(total.override)),
        ]
    if times:
        p95 = f"p95 {words.number(times.p95_ms)} · p99 {words.number(times.p99_ms)}"
        shown.append(("Median answer", f"{words.number(times.median_ms)} ms", p95))
    tiles = (
        Markup("<div><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>").format(*one)
        for one in shown
    )
    return Markup('<dl class="figures">{}</dl>\n').format(Markup("").join(tiles))


def _rate(rate: Rate) -> tuple[str, str]:
    """A rate in two lines: the share, and what it rests on."""
    if rate.share is None:
        return "–", "no feedback"
    mark = words.MARK if rate.is_small else ""
    of = f"{words.number(rate.count)} of {words.number(rate.of)}"
    return f"{words.percent(rate.share)}{mark}", f"{words.interval(rate)} % · {of}"


def _section(table: Table, drawn: tuple[Markup, ...]) -> Markup:
    note = Markup('<p class="note">{}</p>').format(table.note) if table.note else ""
    figures = (Markup("<figure>{}{}</figure>").format(_caption(one), one) for one in drawn)
    numeric = [
        not all(row[n] is None or isinstance(row[n], str) for row in table.rows)
        for n in range(len(table.columns))
    ]
    heads = (
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="number"') if is_number else "", column.title
        )
        for column, is_number in zip(table.columns, numeric, strict=True)
    )
    return _SECTION.format(
        name=table.name.replace("_", "-"),
        title=table.title,
        note=note,
        pictures=Markup("").join(figures),
        heads=Markup("").join(heads),
        rows=Markup("").join(_row(row) for row in table.rows),
    )


def _caption(drawn: Markup) -> Markup:
    """The title of a picture, for eyes too."""
    title = drawn.split("</title>")[0].rpartition(">")[2]
    return Markup("<figcaption>{}</figcaption>").format(title)


def _row(row: tuple[Cell, ...]) -> Markup:
    first, *others = row
    cells = (_cell(one) for one in others)
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(
        words.cell(first), Markup("").join(cells)
    )


def _cell(cell: Cell) -> Markup:
    if isinstance(cell, Rate):
        if cell.share is None:
            return Markup('<td class="number">–</td>')
        return Markup('<td class="number"><b>{}{}</b> <i>{}</i><span>{} of {}</span></td>').format(
            words.percent(cell.share),
            words.MARK if cell.is_small else "",
            words.interval(cell),
            words.number(cell.count),
            words.number(cell.of),
        )
    if isinstance(cell, int | float):
        return Markup('<td class="number">{}</td>').format(words.number(cell))
    return Markup("<td>{}</td>").format(words.cell(cell))

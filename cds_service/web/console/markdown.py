"""The Markdown of card details as HTML: just what cards are made of, everything else as text."""

from __future__ import annotations

import re
from itertools import groupby

from markupsafe import Markup, escape

_INLINE = re.compile(r"`([^`]+)`|\*\*([^*`]+)\*\*")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """A name in camel case as words: `threeMonthsOrLonger` is three months or longer."""
    return _HUMP.sub(" ", name).lower()


def to_html(text: str) -> Markup:
    """Paragraphs, lists, tables, bold and code; whatever else stands there is shown as it is."""
    blocks: list[Markup] = []
    for kind, group in groupby(text.split("\n"), _kind):
        lines = list(group)
        if kind == "list":
            items = (Markup("<li>{}</li>").format(_inline(line[2:])) for line in lines)
            blocks.append(Markup("<ul>{}</ul>").format(Markup("").join(items)))
        elif kind == "table":
            blocks.append(_table(lines))
        elif kind == "text":
            blocks.append(Markup("<p>{}</p>").format(_inline(" ".join(lines))))
    return Markup("\n").join(blocks)


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if line.startswith("- "):
        return "list"
    return "table" if line.startswith("|") and line.rstrip().endswith("|") else "text"


def _table(lines: list[str]) -> Markup:
    rows = [_cells(line) for line in lines if not _RULE.fullmatch(line.strip())]
    has_head = len(lines) > 1 and bool(_RULE.fullmatch(lines[1].strip()))
    head, body = (rows[:1], rows[1:]) if has_head else ([], rows)
    return Markup('<div class="wide"><table>{}{}</table></div>').format(
        Markup("").join(_row(row, 'th scope="col"', "th") for row in head),
        Markup("").join(_row(row, "td", "td") for row in body),
    )


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]


def _row(cells: list[str], opening: str, closing: str) -> Markup:
    # The two tag names are constants of this module, never text of a card.
    cell = Markup("<{}>{{}}</{}>").format(Markup(opening), Markup(closing))  # noqa: S704
    return Markup("<tr>{}</tr>").format(Markup("").join(cell.format(_inline(c)) for c in cells))


def _inline(text: str) -> Markup:
    found, position = Markup(""), 0
    for match in _INLINE.finditer(text):
        found += escape(text[position : match.start()])
        code, bold = match.groups()
        shape = Markup("<code>{}</code>") if code is not None else Markup("<strong>{}</strong>")
        found += shape.format(code if code is not None else bold)
        position = match.end()
    return found + escape(text[position:])

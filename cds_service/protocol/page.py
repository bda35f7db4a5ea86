"""A page about a decision service as plain data: sections of paragraphs, lists and tables.

A service builds these and hands them over as `about()["sections"]`; the server draws them without
knowing what they say. Every id is the anchor of its place and stays the same: cards link to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from typing import Any, TypeAlias

from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Ref:
    """Words that lead somewhere: `#id` on the same page, or an https address."""

    text: str
    href: str


Cell: TypeAlias = str | Ref


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences, with a heading of their own or without, and what they rest on."""

    id: str
    text: str
    title: str = ""
    sources: tuple[Ref, ...] = ()
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True, slots=True)
class Items:
    """A list; `ordered` where the order matters."""

    id: str
    items: tuple[Cell, ...]
    title: str = ""
    sources: tuple[Ref, ...] = ()
    ordered: bool = False
    kind: str = field(default="list", init=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, its first cell saying what it is about."""

    cells: tuple[Cell, ...]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption and the names of its columns."""

    id: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    kind: str = field(default="table", init=False)


Block: TypeAlias = Paragraph | Items | Table


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter of the page."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def as_data(value: Any) -> Any:
    """Sections as JSON has them: objects and arrays, without what is empty."""
    if is_dataclass(value):
        named = {item.name: getattr(value, item.name) for item in fields(value)}
        return {name: as_data(part) for name, part in named.items() if part not in ("", (), False)}
    return [as_data(part) for part in value] if isinstance(value, tuple) else value


def anchors(sections: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every id on a page, in reading order."""
    for section in sections:
        yield section["id"]
        for block in section["blocks"]:
            yield block["id"]
            yield from (row["id"] for row in block.get("rows", ()) if "id" in row)


def as_markdown(title: str, sections: Sequence[Mapping[str, Any]]) -> str:
    """The same page for a terminal or a file, in GitHub Flavored Markdown."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section['title']}", ""]
        for block in section["blocks"]:
            lines += [*_block_lines(block), ""]
    return "\n".join(lines[:-1]) + "\n"


def _block_lines(block: Mapping[str, Any]) -> Iterator[str]:
    if "title" in block:
        yield from (f"### {block['title']}", "")
    if block["kind"] == "table":
        yield from (f"**{block['caption']}**", "")
        yield from _table_lines(block["columns"], [row["cells"] for row in block["rows"]])
    elif block["kind"] == "list":
        for number, item in enumerate(block["items"], 1):
            yield f"{f'{number}.' if block.get('ordered') else '-'} {_cell(item)}"
    else:
        yield block["text"]
    if "sources" in block:
        yield from ("", f"Source: {'; '.join(item['text'] for item in block['sources'])}.")


def _table_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for cells in rows:
        yield f"| {' | '.join(_cell(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _cell(cell: str | Mapping[str, str]) -> str:
    if isinstance(cell, str):
        return cell
    is_address = cell["href"].startswith("https://")
    return f"{cell['text']} ({cell['href']})" if is_address else cell["text"]

"""The Markdown of the project as data: fences, links, anchors, tables, what they name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MADE = {"node_modules", "dist", "build"}
_FENCE = re.compile(
    r"^(?P<mark>`{3,}|~{3,})(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=mark)\s*$", re.M | re.S
)
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_CITED = re.compile(
    r"`((?:\.ci|cds_service|hooks|tests|tools|deploy|docs|fixtures|benchmarks)/[^`\s]+|[A-Z][A-Za-z.]+(?:\.(?:md|lock|toml))|Dockerfile|Makefile|requirements[a-z-]*\.lock|pyproject\.toml)`"
)


@dataclass(frozen=True, slots=True)
class Fence:
    """One fenced block with the language after its fence."""

    language: str
    text: str


def markdown_files() -> tuple[Path, ...]:
    """Every Markdown file of the project; hidden folders and what is made are none of it."""
    return tuple(
        path
        for path in sorted(ROOT.rglob("*.md"))
        if not any(part.startswith(".") or part in _MADE for part in path.relative_to(ROOT).parts)
    )


def name(path: Path) -> str:
    """A path as it is called in the project."""
    return path.relative_to(ROOT).as_posix()


def fences(text: str) -> tuple[Fence, ...]:
    """The fenced blocks of a page."""
    return tuple(Fence(found["language"], found["text"]) for found in _FENCE.finditer(text))


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> tuple[str, ...]:
    """Targets of links and images outside of code."""
    return tuple(_LINK.findall(re.sub(r"`[^`\n]*`", "", prose(text))))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Anchors of a page's headings, as GitHub makes them, and those written as HTML."""
    text = prose(path.read_text("utf-8"))
    found: set[str] = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    counts: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen = counts.get(slug, 0)
        counts[slug] = seen + 1
        found.add(f"{slug}-{seen}" if seen else slug)
    return frozenset(found)


def broken_link(page: Path, target: str) -> str | None:
    """What is wrong with a link of a page; None for a good one and for those that leave."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    file, _, anchor = target.partition("#")
    if file.startswith("/"):
        return f"{target}: starts with /, which leads nowhere in a clone"
    found = (page.parent / file).resolve() if file else page
    if not found.is_relative_to(ROOT) or not found.exists():
        return f"{target}: there is no such file"
    if anchor and found.suffix == ".md" and anchor not in anchors(found):
        return f"{target}: {name(found)} has no such heading"
    return None


def rows(text: str, first: str) -> Iterator[tuple[str, ...]]:
    """Rows of the tables whose first cell matches, cells stripped."""
    for line in prose(text).splitlines():
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in line.strip().strip("|").split(" | "))
            if re.fullmatch(first, cells[0].strip()):
                yield cells


def cited(text: str) -> tuple[str, ...]:
    """Files, functions and tests that a text names between backticks: `path` or `path::name`."""
    return tuple(_CITED.findall(text))


def dangling(citation: str) -> str | None:
    """What is wrong with a citation; None when file and name exist."""
    file, _, names = citation.partition("::")
    path = ROOT / file
    if not path.exists():
        path = ROOT / file.removesuffix(".py") / "__init__.py"  # a module that became a folder
    if not path.exists():
        return f"{citation}: there is no such file"
    if names and names not in _defined(path):
        return f"{citation}: {file} defines no {names}"
    return None


@cache
def _defined(path: Path) -> frozenset[str]:
    """Functions, classes, methods as Class.method, constants of a module; what it passes on too."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (item for item in node.body if isinstance(item, ast.FunctionDef))
            found.update(f"{node.name}.{item.name}" for item in inner)
        elif isinstance(node, ast.ImportFrom) and path.name == "__init__.py":
            found.update(item.asname or item.name for item in node.names)
        elif isinstance(node, ast.Assign):
            found.update(item.id for item in node.targets if isinstance(item, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


def is_test(citation: str) -> bool:
    """Whether a citation names a test function."""
    return bool(re.fullmatch(r"tests/\S+/test_\w+\.py::test_\w+", citation))

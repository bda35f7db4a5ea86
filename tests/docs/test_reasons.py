"""Every code by which a refusal is counted is told, and none that does not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from documents import ROOT

from cds_service.web.errors import _REASONS

PAGE = (ROOT / "docs" / "reasons.md").read_text("utf-8")
REQUESTS, _, TOKENS = PAGE.partition("## Refused tokens")


def test_refused_requests() -> None:
    """The first table has each reason of a failure, with its status."""
    found = dict(_failures(ROOT / "cds_service" / "web" / "errors.py"))
    found |= {reason: str(status) for status, reason in _REASONS.items()} | {"http": "other"}
    assert {code: cells[0] for code, cells in _rows(REQUESTS)} == found


def test_refused_tokens() -> None:
    """The second table has each reason for which a token proves nothing."""
    files = sorted((ROOT / "cds_service" / "security").glob("*.py"))
    found = {reason for file in files for reason in _rejected(file)}
    assert {code for code, _ in _rows(TOKENS)} == found


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            code, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert all(cells), line
            yield code.strip("`"), cells


def _calls(file: Path, *names: str) -> Iterator[list[object]]:
    """The constant arguments of calls of these names; None where one is no constant."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield [one.value if isinstance(one, ast.Constant) else None for one in node.args]


def _failures(file: Path) -> Iterator[tuple[str, str]]:
    for arguments in _calls(file, "Failure", "_single"):
        status, reason = arguments[:2]
        if isinstance(status, int) and isinstance(reason, str):
            yield reason, str(status)


def _rejected(file: Path) -> Iterator[str]:
    for arguments in _calls(file, "Rejected"):
        assert isinstance(arguments[0], str), f"{file.name}: a reason that is no constant"
        yield arguments[0]

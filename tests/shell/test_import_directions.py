"""What decision services may import; the directions inside the server are import-linter's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = ("cds_service.protocol", "cds_service.fhir", "hooks")
# Clock, environment, chance, network, processes: a decision depends on its arguments alone.
IMPURE = frozenset(
    {
        "asyncio",
        "glob",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)
CLOCK = frozenset({"now", "today", "utcnow", "fromtimestamp"})
FILES = sorted((ROOT / "hooks").rglob("*.py"))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            yield node.module or ""


def _is_allowed(module: str) -> bool:
    top = module.split(".")[0]
    ours = any(module == name or module.startswith(f"{name}.") for name in ALLOWED)
    return ours or (top in sys.stdlib_module_names and top not in IMPURE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_hooks_are_pure(path: Path) -> None:
    """A decision service imports the contract, FHIR reading and harmless stdlib; no clock."""
    tree = ast.parse(path.read_text("utf-8"))
    assert [module for module in _imports(tree) if not _is_allowed(module)] == []
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [f.attr for f in calls if isinstance(f, ast.Attribute) and f.attr in CLOCK]
    names += [f.id for f in calls if isinstance(f, ast.Name) and f.id in ("open", "input")]
    assert names == []


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("cds_service.protocol.advice", True),
        ("cds_service.fhir", True),
        ("hooks.bone_density.words", True),
        ("decimal", True),
        ("cds_service.protocolx", False),
        ("cds_service.web", False),
        ("cds_service", False),
        ("flask", False),
        ("os", False),
        ("time", False),
    ],
)
def test_the_rule_itself(module: str, allowed: bool) -> None:
    """The rule tells what is allowed from what is not."""
    assert _is_allowed(module) is allowed

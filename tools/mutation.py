"""Mutation testing of the rules and of the FHIR readers: does a test fail when the code is wrong?

    python tools/mutation.py --mutants 300 --seed 1

Works in a copy of the project. Each mutant is one small change; the tests run in a fork of a
process that has the libraries loaded, the quickest tests first, until one fails. Prints every
survivor with its place and the score at the end.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTATED = (
    "hooks/bone_density/decision/*.py",
    "hooks/bone_density/facts/*.py",
    "hooks/bone_density/drugs/*.py",
    "hooks/bone_density/evaluate.py",
    "hooks/bone_density/orders.py",
    "hooks/bone_density/settings.py",
    "cds_service/fhir/*.py",
)
COPIED = ("cds_service", "hooks", "fixtures", "tests", "pyproject.toml", "README.md")
_RULES = "tests/services/bone_density"
TESTS = (
    f"{_RULES}/test_decision_table.py",
    f"{_RULES}/test_data_guards.py",
    f"{_RULES}/test_worked_cases.py",
    f"{_RULES}/test_orders.py",
    f"{_RULES}/test_results.py",
    f"{_RULES}/test_conditions.py",
    f"{_RULES}/test_drug_records.py",
    f"{_RULES}/test_doses.py",
    f"{_RULES}/test_damage.py",
    f"{_RULES}/test_corners.py",
    f"{_RULES}/test_cards.py",
    f"{_RULES}/test_drugs.py",
    f"{_RULES}/test_settings.py",
    f"{_RULES}/test_knowledge.py",
    "tests/fhir",
    "tests/chart",
    f"{_RULES}/test_value_sets.py",
    f"{_RULES}/test_synthea.py",
    "tests/proof/test_sweeps.py",
    "tests/proof/test_twin.py",
    "tests/proof/test_metamorphic.py",
)
"""The tests that look at what is mutated, the quickest to fail first."""
LIMIT_S = 240

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_FUNCTIONS = {"any": "all", "all": "any", "min": "max", "max": "min"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed file: which, where, what was changed, and its new text."""

    path: str
    what: str
    text: str


class _Change(ast.NodeTransformer):
    """Makes the change of one number; counts the places where one could be made."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self.count = 0
        self.what = ""

    def _offer(self, node: ast.AST, words: str) -> bool:
        """Whether this is the place to change."""
        is_here = self.count == self.number
        self.count += 1
        if is_here:
            self.what = f"line {getattr(node, 'lineno', 0)}: {words}"
        return is_here

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Decorators of a class say how it is built, not what it does."""
        node.body = [self.visit(item) for item in node.body]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        for position, operator in enumerate(node.ops):
            other = _COMPARISONS.get(type(operator))
            if other and self._offer(node, f"{ast.unparse(node)}: {other.__name__}"):
                node.ops[position] = other()
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if self._offer(node, f"{ast.unparse(node)}: and for or, or for and"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self._offer(node, f"{ast.unparse(node)}: no not"):
            return node.operand
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        is_text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        is_number = isinstance(node.op, ast.Add | ast.Sub) and not is_text
        if is_number and self._offer(node, f"{ast.unparse(node)}: plus for minus or the reverse"):
            node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) is bool and self._offer(node, f"{node.value}: {not node.value}"):
            return ast.copy_location(ast.Constant(not node.value), node)
        if type(node.value) is int and self._offer(node, f"{node.value}: {node.value + 1}"):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            other = _FUNCTIONS[node.func.id]
            if self._offer(node, f"{ast.unparse(node)}: {other}"):
                node.func.id = other
        return node

    def _visit_condition(self, node: ast.If | ast.IfExp) -> ast.AST:
        for value in (True, False):
            if self._offer(node, f"if {ast.unparse(node.test)}: if {value}"):
                node.test = ast.copy_location(ast.Constant(value), node.test)
                return node
        return self.generic_visit(node)

    visit_If = _visit_condition  # noqa: N815 - the names are those of ast
    visit_IfExp = _visit_condition  # noqa: N815

    def visit_Return(self, node: ast.Return) -> ast.AST:
        returns_none = isinstance(node.value, ast.Constant) and node.value.value is None
        has_value = node.value is not None and not returns_none
        if has_value and self._offer(node, f"{ast.unparse(node)}: return None"):
            node.value = ast.copy_location(ast.Constant(None), node)
            return node
        return self.generic_visit(node)

    def _visit_jump(self, node: ast.Continue | ast.Break) -> ast.AST:
        if self._offer(node, f"{ast.unparse(node)}: pass"):
            return ast.copy_location(ast.Pass(), node)
        return node

    visit_Continue = _visit_jump  # noqa: N815
    visit_Break = _visit_jump  # noqa: N815


def places(root: Path) -> Iterator[tuple[Path, int]]:
    """Every place of every file at which something can be changed."""
    for pattern in MUTATED:
        for path in sorted(root.glob(pattern)):
            counter = _Change()
            counter.visit(ast.parse(path.read_text("utf-8")))
            yield from ((path, number) for number in range(counter.count))


def mutant(root: Path, path: Path, number: int) -> Mutant:
    """The change of one number in one file."""
    change = _Change(number)
    tree = change.visit(ast.parse(path.read_text("utf-8")))
    ast.fix_missing_locations(tree)
    return Mutant(path.relative_to(root).as_posix(), change.what, ast.unparse(tree))


def survives(order: tuple[str, ...]) -> bool:
    """Whether all tests pass in a fork of this process; one that hangs does not."""
    child = os.fork()
    if child == 0:
        os._exit(_run(order))
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run(order: tuple[str, ...]) -> int:
    import pytest

    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    plugins = ("cacheprovider", "xdist", "cov")
    options = [option for name in plugins for option in ("-p", f"no:{name}")]
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    try:
        return int(pytest.main(["-x", "-q", *options, *quiet, *order]))
    except BaseException:
        return 1


def main() -> int:
    """Runs a sample of mutants; exit 1 when fewer than nine in ten are caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=300, help="size of the sample")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another sample")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        root = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=ignored)
            else:
                shutil.copyfile(source, root / name)
        return _sample(root, options.mutants, options.seed)


def _sample(root: Path, count: int, seed: int) -> int:
    os.chdir(root)
    sys.path[:0] = [str(root), str(root / "tests" / "support")]
    os.environ |= {"PROOF_CHARTS": "400", "CI": "1", "PYTHONPATH": str(root)}
    sys.dont_write_bytecode = True
    import fhir.resources.R4B.observation
    import flask
    import jsonschema
    import pytest
    import sqlalchemy

    del fhir, flask, jsonschema, pytest, sqlalchemy  # loaded once for all forks
    every = list(places(root))
    chosen = random.Random(seed).sample(every, min(count, len(every)))  # noqa: S311
    if not survives(TESTS):
        print("the tests fail without any mutation")
        return 2
    print(f"{len(chosen)} of {len(every)} mutants, seed {seed}", flush=True)
    survivors = []
    for number, (path, place) in enumerate(chosen, start=1):
        original = path.read_text("utf-8")
        changed = mutant(root, path, place)
        path.write_text(changed.text, "utf-8")
        order = TESTS if "hooks" in changed.path else ("tests/fhir", *TESTS)
        try:
            if survives(order):
                survivors.append(changed)
                print(f"survived: {changed.path} {changed.what}", flush=True)
        finally:
            path.write_text(original, "utf-8")
        if number % 25 == 0:
            print(f"{number} tried, {number - len(survivors)} caught", flush=True)
    score = 1 - len(survivors) / len(chosen)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught: {score:.1%}")
    return 0 if score >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())

"""A newcomer's first day: a code, a rating and a decision row, each by touching one place.

Each test does in a copy of the project what the table under "For developers" in the README says,
and then only runs the project's own commands there.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders import CPT
from decision_rows import AS_OF, hook_request, rows
from service import explain, only_order

ROOT = Path(__file__).parents[3]
COPIED = (
    "README.md",
    "pyproject.toml",
    "cds_service",
    "hooks",
    "fixtures/decision-table",
    "tests/conftest.py",
    "tests/support",
    "tests/services/bone_density/test_decision_table.py",
    "tests/services/bone_density/test_value_sets.py",
)
VALUE_SET = "hooks/bone_density/knowledge/valuesets/study-qus.json"
RATINGS = "hooks/bone_density/knowledge/ratings.toml"
TABLE = "fixtures/decision-table/rows.csv"
SURVEILLANCE, YOUNGER = "surveillance qct", "younger man qct"
NEW_CODE = "99998"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project, and what is asked of it from outside."""

    root: Path

    def files(self) -> dict[str, str]:
        """Every text of the copy by its path."""
        return {
            path.relative_to(self.root).as_posix(): path.read_text("utf-8")
            for path in self.root.rglob("*")
            if path.is_file() and not {"__pycache__", ".hypothesis"} & set(path.parts)
        }

    def edit(self, task: str, place: str, change: Callable[[str], str]) -> None:
        """Changes one file: the one that the README names for the task, and no other."""
        before = self.files()
        assert any(named in place for named in self.places(task)), f"README: {task}"
        (self.root / place).write_text(change(before[place]), "utf-8")
        after = self.files()
        assert [name for name in before | after if before.get(name) != after.get(name)] == [place]

    def places(self, task: str) -> list[str]:
        """The paths that the README names for a task."""
        found = re.findall(rf"^\| {task}[^|]* \|(.*)\|$", self.files()["README.md"], re.MULTILINE)
        assert len(found) == 1, f"README: no row, or several, for {task}"
        return re.findall(r"`([^`]+[/.][^`]*)`", found[0])

    def run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """A Python command that imports from the copy, not from the work tree.

        With `CI` set, pytest cuts nothing off.
        """
        return subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.root), "CI": "1"},
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def service(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """`cds-service` with arguments."""
        return self.run("-c", "from cds_service.cli import main; main()", *arguments, text=text)

    def explain(self, case: str, order: str) -> dict[str, Any]:
        """The explanation of an order for the patient of one row of the decision table."""
        body = json.dumps(_body(case, order))
        result = self.service("explain", "-", "--as-of", AS_OF, text=body)
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout))

    def pytest(self, module: str, selection: str) -> subprocess.CompletedProcess[str]:
        """The selected tests of one module."""
        path = f"tests/services/bone_density/{module}.py"
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", path, "-k", selection)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the project with what the three tasks need."""
    for name in COPIED:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(ROOT / name, target)
    return Copy(tmp_path)


def test_the_copy_is_what_answers(copy: Copy) -> None:
    """The commands of these tests import from the copy, the services behind them too."""
    code = (
        "import cds_service.engine as e, sys; s = e.load_services(); print(e.__file__);"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'hooks'))"
    )
    found = copy.run("-c", code)
    assert found.returncode == 0, found.stderr
    paths = found.stdout.split()
    assert len(paths) > 10
    assert [path for path in paths if not path.startswith(str(copy.root))] == []


def _body(case: str, order: str) -> dict[str, Any]:
    """An order for the patient of one row of the decision table."""
    return hook_request({**_row(case), "order": order})


def _row(case: str) -> dict[str, str]:
    return next(row for row in rows() if row["case"] == case)


def _with_code(code: str, source: str) -> Callable[[str], str]:
    url = "https://bone-density-cds.org/fhir/StructureDefinition/source"
    entry = {
        "code": code,
        "display": "Ultrasound bone density, new",
        "extension": [{"url": url, "valueCode": source}],
    }

    def change(text: str) -> str:
        system, found, after = text.partition(f'"system": "{CPT}",\n        "concept": [\n')
        assert found, "the value set has no CPT codes"
        return f"{system}{found}          {json.dumps(entry)},\n{after}"

    return change


def test_a_code(copy: Copy) -> None:
    """One line in one value set: orders with that code are known, and every check is content."""
    before = only_order(explain(_body(SURVEILLANCE, NEW_CODE)))
    assert before["silence"] == "code-not-recognised"
    copy.edit("a code", VALUE_SET, _with_code(NEW_CODE, "third-party-repository"))
    order = only_order(copy.explain(SURVEILLANCE, NEW_CODE))
    assert (order["study"], order["rating"]) == ("qus", "usually-not-appropriate")
    check = copy.service("check")
    assert check.returncode == 0, check.stderr
    assert "error" not in check.stderr
    assert copy.pytest("test_value_sets", "study or source").returncode == 0


def test_a_code_that_is_rejected(copy: Copy) -> None:
    """A code that is known to mean something else fails a test that names it."""
    copy.edit("a code", VALUE_SET, _with_code("77084", "third-party-repository"))
    result = copy.pytest("test_value_sets", "study-qus")
    assert result.returncode == 1
    (failed,) = (line for line in result.stdout.splitlines() if line.startswith("FAILED"))
    assert "test_rejected_codes_are_absent[study-qus]" in failed
    assert "'77084'" in result.stdout


def test_a_code_without_a_source(copy: Copy) -> None:
    """A code whose source nobody declared stops the check, which names set, code and source."""
    copy.edit("a code", VALUE_SET, _with_code(NEW_CODE, "hearsay"))
    check = copy.service("check")
    assert check.returncode == 1
    assert f"study-qus: {NEW_CODE}: source 'hearsay' is not in sources.toml" in check.stderr
    assert "Traceback" not in check.stderr


def _with_rating(variant: str, study: str, rating: str, source: str) -> Callable[[str], str]:
    """The rating of the current edition changed, or added at the end of the file."""
    head = f'edition = "2022"\nvariant = "{variant}"\nstudy = "{study}"\n'
    entry = f'{head}rating = "{rating}"\ndose_msv = "1-10"\nsource = "{source}"\n'

    def change(text: str) -> str:
        if head in text:
            return re.sub(rf"{re.escape(head)}(?:\w+ = .*\n)+", entry, text)
        return f"{text}\n[[ratings]]\n{entry}"

    return change


@pytest.mark.parametrize(
    ("case", "order", "variant", "study", "rating"),
    [
        (SURVEILLANCE, "77078", "follow-up", "qct", "usually-not-appropriate"),
        (YOUNGER, "77089", "younger-follow-up", "tbs", "usually-not-appropriate"),
    ],
    ids=["changed", "added for younger adults"],
)
def test_a_rating(copy: Copy, case: str, order: str, variant: str, study: str, rating: str) -> None:
    """One entry of the ratings: the explanation gives the new rating and its source."""
    change = _with_rating(variant, study, rating, "gighz-surveillance")
    copy.edit("a rating", RATINGS, change)
    found = only_order(copy.explain(case, order))
    assert (found["study"], found["rating"], found["ratingStatus"]) == (study, rating, "rated")
    assert found["ratingSource"] == "gighz-surveillance"
    assert "gighz-surveillance" in [reason["source"] for reason in found["reasons"]]
    assert found["indicator"] == "warning"


@pytest.mark.parametrize(
    ("case", "order", "variant", "study"),
    [
        (YOUNGER, "77078", "younger-follow-up", "qct"),
        (SURVEILLANCE, "77078", "follow-up", "qct"),
        (SURVEILLANCE, "0554T", "follow-up", "ct-fea"),
    ],
    ids=["changed for younger adults", "changed", "added"],
)
def test_words_of_a_rating(copy: Copy, case: str, order: str, variant: str, study: str) -> None:
    """The reason that cites the new rating says that rating, and no reason says the old one."""
    change = _with_rating(variant, study, "usually-not-appropriate", "gighz-surveillance")
    copy.edit("a rating", RATINGS, change)
    found = only_order(copy.explain(case, order))
    texts = [item["text"] for item in found["reasons"] if item["source"] == "gighz-surveillance"]
    assert any("usually not appropriate" in text for text in texts)
    assert not any("may be appropriate" in text for text in texts)


def test_a_rating_that_is_wrong(copy: Copy) -> None:
    """A rating whose source nobody declared stops the check, which names file, entry and source."""
    change = _with_rating("follow-up", "qct", "may-be-appropriate", "hearsay")
    copy.edit("a rating", RATINGS, change)
    check = copy.service("check")
    assert check.returncode == 1
    assert "ratings.toml: follow-up, qct: source 'hearsay' is not in sources.toml" in check.stderr


def _with_row(case: str, **changes: str) -> Callable[[str], str]:
    """The table with one more row: another patient of a known row."""
    known = _row(SURVEILLANCE)
    row = {**known, "case": case, "born": "1960-06-01", "why": "a newcomer's row", **changes}
    line = io.StringIO()
    csv.DictWriter(line, list(known), lineterminator="\n").writerow(row)
    return lambda text: text + line.getvalue()


def test_a_decision_row(copy: Copy) -> None:
    """One row of the table is a test that runs; a row that is wrong fails and is named."""
    copy.edit("a decision", TABLE, _with_row("newcomer right"))
    right = copy.pytest("test_decision_table", "newcomer or told_apart")
    assert right.returncode == 0, right.stdout
    assert "2 passed" in right.stdout
    wrong = _with_row("newcomer wrong", rating="usually-appropriate")
    copy.edit("a decision", TABLE, wrong)
    both = copy.pytest("test_decision_table", "newcomer")
    assert both.returncode == 1
    assert "1 failed, 1 passed" in both.stdout
    (failed,) = (line for line in both.stdout.splitlines() if line.startswith("FAILED"))
    assert "test_row[newcomer wrong]" in failed
    assert "'rating': 'usually-appropriate'" in both.stdout

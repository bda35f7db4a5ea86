"""Alert rules and dashboard: right for Prometheus, about metrics and labels that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.web.meters import Meters

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: install the package prometheus"
)


def labels_by_sample() -> dict[str, set[str]]:
    """The labels of each sample that a server tells."""
    found: dict[str, set[str]] = {}
    for metric in Meters().registry._collector_to_names:  # type: ignore[attr-defined]
        labels = {"instance", "job", *metric._labelnames}
        if metric._type == "histogram":
            found |= {f"{metric._name}_{part}": labels for part in ("sum", "count")}
            found[f"{metric._name}_bucket"] = {*labels, "le"}
        elif metric._type == "counter":
            found[f"{metric._name}_total"] = labels
        else:
            found[metric._name] = labels
    return found


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    """The dashboard."""
    return json.loads((FOLDER / "dashboard.json").read_text("utf-8"))


def expressions() -> list[str]:
    """Everything that is asked of Prometheus."""
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [*asked, *(rule["expr"] for rule in rules())]


def unknown(expression: str) -> set[str]:
    """Names of metrics, and labels in their braces, that do not exist."""
    known = labels_by_sample()
    named = set(re.findall(r"\bcds_\w+", expression))
    wrong = named - known.keys()
    for name, braces in re.findall(r"\b(cds_\w+)\{([^}]*)\}", expression):
        wrong |= set(re.findall(r"(\w+)\s*[=!]", braces)) - known.get(name, set())
    grouped = {
        one for group in re.findall(r"by \(([^)]*)\)", expression) for one in group.split(", ")
    }
    return wrong | {one for one in grouped if not any(one in known[name] for name in named - wrong)}


def test_what_is_asked_exists() -> None:
    """Each metric and label of a rule or panel is one that a server tells."""
    assert {
        expression: found for expression in expressions() if (found := unknown(expression))
    } == {}
    assert unknown('sum by (x) (cds_callz{y="1"})') == {"x", "cds_callz", "y"}


def test_every_metric_is_looked_at() -> None:
    """No metric is told for nobody: each is in a panel or a rule."""
    text = " ".join(expressions())
    names = {metric._name for metric in Meters().registry._collector_to_names}  # type: ignore[attr-defined]
    assert {name for name in names if name not in text} == set()


def test_every_alert_says_what_to_do() -> None:
    """A name of its own, how urgent it is, what happened, and what to do."""
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert len(rule["annotations"]["summary"]) > 20, rule["alert"]
        assert len(rule["annotations"]["action"]) > 20, rule["alert"]


def test_panels_do_not_overlap() -> None:
    """Each panel has its own place and number."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml"),
     ("check", "config", "--syntax-only", "scrape.example.yml")],
)  # fmt: skip
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """Prometheus' own tool finds the rules right and their cases answered as expected."""
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_reads_every_panel(tmp_path: Path) -> None:
    """Each expression of the dashboard is right; checked as a rule that records it."""
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    recorded = [
        {"record": f"panel:number:{number}", "expr": one.replace("$instance", ".+")}
        for number, one in enumerate(asked)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}), "utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

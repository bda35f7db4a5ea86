"""Synthetic patients with an order each: what the service is shown and tried with.

Every name and id is made up. The requests carry absolute dates, so each case has the clinical
date at which it is meant to be judged.
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from importlib.resources import files

from cds_service.protocol.service import Example


@cache
def examples() -> tuple[Example, ...]:
    """The cases in the order of their file names; one more file is one more case."""
    folder = files(__package__).joinpath("cases")
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".json")),
        key=lambda file: file.name,
    )
    return tuple(_example(file.read_text("utf-8")) for file in found)


def _example(text: str) -> Example:
    case = json.loads(text)
    return Example(
        name=case["name"],
        title=case["title"],
        request=case["request"],
        as_of=date.fromisoformat(case["asOf"]),
        expected=case["expected"],
    )

"""This service's block of the registry: local codes, orderables, facility LSC, switches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any

from cds_service.fhir.codings import LOINC, CodedValue, canonical_system
from cds_service.protocol.advice import Coding
from cds_service.protocol.values import dataclass
from hooks.bone_density.knowledge import knowledge
from hooks.bone_density.words import Site, Study

EXTRA_ORDERABLES = ("labs", "mri-lumbar-spine", "radiograph-spine")
"""Orders that are only words on a card unless the client maps them."""

_CODE = {"type": "string", "minLength": 1}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "local_codes": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["system", "code", "means"],
                "properties": {"system": _CODE, "code": _CODE, "means": _CODE},
            },
        },
        "orderables": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["study", "system", "code", "display"],
                "properties": {
                    "study": {"enum": [*(study.value for study in Study), *EXTRA_ORDERABLES]},
                    "system": _CODE,
                    "code": _CODE,
                    "display": _CODE,
                },
            },
        },
        "lsc": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["device", "site", "value_g_per_cm2"],
                "properties": {
                    "device": _CODE,
                    "site": {"enum": [site.value for site in Site]},
                    "value_g_per_cm2": {
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "exclusiveMaximum": 0.5,
                    },
                },
            },
        },
        "quiet_when_appropriate": {"type": "boolean"},
        "remind_with_treatment": {"type": "boolean"},
        "on_indeterminate": {"enum": ["info", "silent"]},
        "red_flag_indicator": {"enum": ["warning", "critical"]},
    },
}


@dataclass(frozen=True, slots=True)
class Settings:
    """One client's settings of this service."""

    local_codes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    orderables: Mapping[str, Coding] = field(default_factory=dict)
    lsc: Mapping[tuple[str, Site], Decimal] = field(default_factory=dict)
    quiet_when_appropriate: bool = False
    remind_with_treatment: bool = True
    on_indeterminate: str = "info"
    red_flag_indicator: str = "warning"

    def expand(self, codings: tuple[CodedValue, ...]) -> tuple[CodedValue, ...]:
        """The codings with the LOINC code that each local code means beside them."""
        if not self.local_codes:
            return codings
        meant = tuple(
            CodedValue(LOINC, meaning, coding.display)
            for coding in codings
            if (meaning := self.local_codes.get((coding.system or "", coding.code)))
            and not is_study(meaning)
        )
        return codings + meant


def is_study(text: str) -> bool:
    """Whether a `means` names a study rather than a LOINC code."""
    return text in {study.value for study in Study}


def read_settings(block: Mapping[str, Any]) -> Settings:
    """The settings from a block that is valid against SCHEMA; ValueError names a contradiction."""
    local_codes: dict[tuple[str, str], str] = {}
    for position, item in enumerate(block.get("local_codes", ())):
        key = (canonical_system(item["system"]), item["code"])
        if local_codes.setdefault(key, item["means"]) != item["means"]:
            raise ValueError(
                f"local_codes[{position}]: {item['code']} already means "
                f"{local_codes[key]}; keep one of the two lines"
            )
        if not is_study(item["means"]) and not _is_loinc(item["means"]):
            raise ValueError(
                f"local_codes[{position}].means: {item['means']!r} is neither a LOINC code nor a "
                f"study; studies are {', '.join(study.value for study in Study)}"
            )
    orderables: dict[str, Coding] = {}
    for position, item in enumerate(block.get("orderables", ())):
        if item["study"] in orderables:
            raise ValueError(
                f"orderables[{position}].study: {item['study']} is mapped twice; keep one line"
            )
        orderables[item["study"]] = Coding(item["system"], item["code"], item["display"])
    lsc: dict[tuple[str, Site], Decimal] = {}
    for position, item in enumerate(block.get("lsc", ())):
        place = (item["device"], Site(item["site"]))
        if not math.isfinite(item["value_g_per_cm2"]):
            raise ValueError(f"lsc[{position}].value_g_per_cm2: must be a number, e.g. 0.030")
        if place in lsc:
            raise ValueError(f"lsc[{position}]: {place[0]} at {place[1]} is given twice")
        lsc[place] = Decimal(str(item["value_g_per_cm2"]))
    switches = {
        name: block[name]
        for name in (
            "quiet_when_appropriate",
            "remind_with_treatment",
            "on_indeterminate",
            "red_flag_indicator",
        )
        if name in block
    }
    return Settings(local_codes, orderables, lsc, **switches)


def _is_loinc(text: str) -> bool:
    """Whether a text has the form of a LOINC code with a right check digit (modulus 10)."""
    number, dash, check = text.rpartition("-")
    if not dash or not (number.isascii() and number.isdigit()) or len(check) != 1:
        return False
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return check == str(-total % 10)


def orderables(settings: Settings) -> Mapping[str, Coding]:
    """The client's own codes by study, for the profile."""
    return settings.orderables


def warnings(settings: Settings) -> tuple[str, ...]:
    """What a reader of the file should know although it is valid: meanings that nobody reads."""
    known = knowledge()
    found = [
        f"local_codes: {code} means {meaning}, which no rule reads"
        for (_, code), meaning in settings.local_codes.items()
        if not is_study(meaning) and not known.memberships([CodedValue(LOINC, meaning)])
    ]
    found += [
        f"local_codes: {code} is known without a mapping as well; its own meaning is read too"
        for (system, code), _ in settings.local_codes.items()
        if known.memberships([CodedValue(system, code)])
    ]
    if settings.local_codes:
        found.append(
            "local_codes: the published prefetch queries do not ask for them; add the result and "
            "report codes to the site's own queries"
        )
    offered = (Study.DXA_SPINE_HIP, Study.DXA_SPINE_HIP_VFA, Study.DXA_FOREARM)
    found += [
        f"orderables: {study.value} is not mapped; it is offered only beside CPT-coded drafts"
        for study in offered
        if study.value not in settings.orderables
    ]
    return tuple(found)

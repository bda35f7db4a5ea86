"""Value sets from FHIR ValueSet JSON: listed concepts and ICD-10-CM subtrees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from cds_service.fhir.codings import CodedValue, canonical_system
from cds_service.values import dataclass


@dataclass(frozen=True, slots=True)
class Concept:
    """One entry of a value set: a code, or the root of a subtree, with its attributes."""

    system: str
    code: str
    display: str | None
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_subtree: bool = False


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A named set of codes; `find` is a dictionary lookup per coding."""

    id: str
    title: str
    listed: Mapping[tuple[str, str], Concept]
    subtrees: tuple[Concept, ...] = ()

    def find(self, codings: Iterable[CodedValue]) -> Concept | None:
        """The first entry that contains one of the codings; display and text never count."""
        for coding in codings:
            if coding.system is None:
                continue
            concept = self.listed.get((coding.system, coding.code))
            if concept is not None:
                return concept
            for root in self.subtrees:
                if root.system == coding.system and is_in_subtree(coding.code, root.code):
                    return root
        return None

    def concepts(self) -> tuple[Concept, ...]:
        """Every entry, listed codes first."""
        return (*self.listed.values(), *self.subtrees)


def is_in_subtree(code: str, root: str) -> bool:
    """Whether an ICD-10-CM code is the root or below it: the hierarchy is in the characters."""
    return code.startswith(root) and (len(root) != 3 or code[3:4] in ("", "."))


def read_value_set(resource: Mapping[str, Any]) -> ValueSet:
    """A ValueSet resource with `compose.include` of concepts and `is-a` filters.

    Extension values of a concept become its attributes, named by the last part of their url.
    Raises ValueError for anything this reader does not understand.
    """
    listed: dict[tuple[str, str], Concept] = {}
    subtrees: list[Concept] = []
    if "exclude" in resource["compose"]:
        raise ValueError(f"{resource['id']}: compose.exclude is not supported")
    for include in resource["compose"]["include"]:
        if "system" not in include:
            raise ValueError(f"{resource['id']}: an include without system is not supported")
        system = canonical_system(include["system"])
        for item in include.get("concept", ()):
            concept = Concept(system, item["code"], item.get("display"), _attributes(item))
            listed[system, concept.code] = concept
        for rule in include.get("filter", ()):
            if rule.get("op") != "is-a":
                raise ValueError(f"{resource['id']}: filter {rule.get('op')!r} is not supported")
            subtrees.append(Concept(system, rule["value"], None, _attributes(include), True))
    return ValueSet(resource["id"], resource["title"], listed, tuple(subtrees))


def _attributes(element: Mapping[str, Any]) -> dict[str, str]:
    return {
        extension["url"].rsplit("/", 1)[-1]: extension["valueCode"]
        for extension in element.get("extension", ())
    }

"""Writes what the service is made of at run time as a CycloneDX document, without a network.

    python tools/sbom.py --lock requirements-postgres.lock --output dist/sbom.cdx.json

Every pin of the lock becomes one component: name, version, package address and the hashes
of the files that may be installed for it, all from the lock; the licence from the metadata of the
installed release. The same lock gives the same bytes: no time of writing, a derived serial number.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT = "bone-density-cds"
UNKNOWN = "not stated"

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\$\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
_CLASSIFIED = {
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Licences as older metadata classifies them; `BSD License` does not say which of them."""

_SPDX = frozenset({"MIT", "Apache-2.0", "MPL-2.0"})


@dataclass(frozen=True, slots=True)
class Pin:
    """One release of a lock, with the hashes of its files."""

    name: str
    version: str
    marker: str | None
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its address in the language of package addresses."""
        return f"pkg:pypi/{self.name}@{self.version}"


def normal(name: str) -> str:
    """A package's name as lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[Pin, ...]:
    """Every pin of a lock file; raises ValueError for a line that is none."""
    rest = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    found = tuple(
        Pin(
            normal(match["name"]),
            match["version"],
            match["marker"],
            tuple(re.findall(r"sha256:([0-9a-f]{64})", match["hashes"])),
        )
        for match in _PIN.finditer(rest)
    )
    left = _PIN.sub("", rest).strip()
    if left:
        raise ValueError(f"not a pin with hashes: {left.splitlines()[0]}")
    return found


def licence(pin: Pin) -> dict[str, Any]:
    """The licence of a pinned release, as far as its installed metadata state it."""
    try:
        found = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        return {"license": {"name": UNKNOWN}}
    if found["Version"] != pin.version:
        return {"license": {"name": UNKNOWN}}
    if "License-Expression" in found:
        return {"expression": found["License-Expression"]}
    classified = [
        text.rpartition(" :: ")[2]
        for text in found.get_all("Classifier") or ()
        if text.startswith("License :: ")
    ]
    words = found["License"].strip().partition("\n")[0] if "License" in found else ""
    name = next((_CLASSIFIED.get(text, text) for text in classified), words) or UNKNOWN
    return {"license": {"id": name} if name in _SPDX else {"name": name}}


def document(text: str) -> dict[str, Any]:
    """The CycloneDX document of a lock's text."""
    pins = read_lock(text)
    version = metadata.version(PROJECT)
    own = f"pkg:pypi/{PROJECT}@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + text)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": PROJECT,
                "version": version,
                "purl": own,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": [_component(pin) for pin in pins],
    }


def _component(pin: Pin) -> dict[str, Any]:
    """A release; which of its files is installed depends on the platform, so all are listed."""
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        "licenses": [licence(pin)],
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{pin.name}/{pin.version}/",
                "comment": "one of the files with these hashes",
                "hashes": [{"alg": "SHA-256", "content": value} for value in pin.hashes],
            }
        ],
    }
    if pin.marker:
        found["properties"] = [{"name": "bone-density-cds:lock:marker", "value": pin.marker}]
    return found


def main() -> None:
    """Writes the document to a file, or prints it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = document(given.lock.read_text("utf-8"))
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if given.output is None:
        sys.stdout.write(text)
        return
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(text, "utf-8")
    print(f"{given.output}: {len(found['components'])} components")


if __name__ == "__main__":
    main()

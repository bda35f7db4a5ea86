"""What the service is made of: listed, above its floors, and installed only as it was locked."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
SERVED = ("requirements.lock", "requirements-postgres.lock")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture
def sbom(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that writes the list."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("sbom")


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that looks for holes."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("audit")


# --- The list of components ---


def pins(name: str) -> dict[str, list[str]]:
    """Hashes by `package==version`, read without the module under test."""
    blocks = re.split(r"^(?=[a-z])", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    return {
        block.split()[0]: re.findall(r"sha256:([0-9a-f]{64})", block) for block in blocks if block
    }


@pytest.mark.parametrize("name", SERVED)
def test_list_equals_the_lock(sbom: ModuleType, name: str) -> None:
    """One component for each pin, with its version, address and all hashes; and no other."""
    found = sbom.document((ROOT / name).read_text("utf-8"))
    listed = {
        f"{item['name']}=={item['version']}": [
            hash_["content"] for hash_ in item["externalReferences"][0]["hashes"]
        ]
        for item in found["components"]
    }
    assert listed == pins(name)
    assert len(found["components"]) == len(listed)
    for item in found["components"]:
        assert item["purl"] == f"pkg:pypi/{item['name']}@{item['version']}"


def test_list_is_what_is_installed(sbom: ModuleType) -> None:
    """Listed versions are those that run here, and each states its licence."""
    found = sbom.document((ROOT / SERVED[1]).read_text("utf-8"))
    for item in found["components"]:
        assert metadata.version(item["name"]) == item["version"]
        (licence,) = item["licenses"]
        stated = licence.get("expression") or licence["license"].get("id")
        stated = stated or licence["license"]["name"]
        assert stated != sbom.UNKNOWN, item["name"]
        assert not re.search("AGPL|(?<!L)GPL", stated), item["name"]


def test_list_is_reproducible(sbom: ModuleType) -> None:
    """The same lock gives the same document; another lock another serial number."""
    text = (ROOT / SERVED[0]).read_text("utf-8")
    assert sbom.document(text) == sbom.document(text)
    other = sbom.document((ROOT / SERVED[1]).read_text("utf-8"))
    assert other["serialNumber"] != sbom.document(text)["serialNumber"]


def test_list_is_cyclonedx(sbom: ModuleType) -> None:
    """What the format requires: its name and version, and references that are used once."""
    found = sbom.document((ROOT / SERVED[0]).read_text("utf-8"))
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", found["serialNumber"])
    refs = [item["bom-ref"] for item in found["components"]]
    assert len(refs) == len(set(refs))
    assert {item["type"] for item in found["components"]} == {"library"}


@pytest.mark.parametrize(
    "text",
    [
        "six==1.17.0\n",
        "six>=1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "six==1.17.0 \\\n    --hash=md5:" + "0" * 32 + "\n",
        "-r other.lock\n",
        "six @ https://example.org/six.whl\n",
    ],
)
def test_a_lock_that_does_not_pin(sbom: ModuleType, text: str) -> None:
    """What is not pinned with hashes is refused, not left out."""
    with pytest.raises(ValueError, match="not a pin with hashes"):
        sbom.read_lock(text)


def test_list_as_a_file(tmp_path: Path) -> None:
    """The command writes the file that `make sbom` names."""
    path = tmp_path / "dist" / "sbom.json"
    command = [sys.executable, str(TOOLS / "sbom.py"), "--output", str(path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(json.loads(path.read_text("utf-8"))["components"]) == len(pins(SERVED[0]))
    assert f"{len(pins(SERVED[0]))} components" in result.stdout


# --- Floors and the audit ---


@pytest.mark.parametrize("name", [*SERVED, "requirements-dev.lock", "requirements-build.lock"])
def test_every_lock_is_above_the_floors(sbom: ModuleType, audit: ModuleType, name: str) -> None:
    """No lock holds a release below the floors."""
    found = sbom.read_lock((ROOT / name).read_text("utf-8"))
    assert audit.below_floor(found, audit.read_floors(TOOLS / "floors.toml")) == []


def test_floors_are_of_what_is_served(audit: ModuleType) -> None:
    """Each floor names a package that is served, once, and why it is there."""
    floors = audit.read_floors(TOOLS / "floors.toml")
    names = [floor["package"] for floor in floors]
    assert len(names) == len(set(names))
    assert set(names) <= {pin.partition("==")[0] for pin in pins(SERVED[0])}
    for floor in floors:
        assert floor["advisories"]
        for advisory in floor["advisories"]:
            assert re.fullmatch(r"(CVE|PYSEC)-\d{4}-\d+|GHSA(-[a-z0-9]{4}){3}", advisory)


@pytest.mark.parametrize(
    ("version", "is_below"),
    [("2.12.9", True), ("2.13.0", False), ("2.13", False), ("2.9.0", True), ("3.0", False)],
)
def test_floor(sbom: ModuleType, audit: ModuleType, version: str, is_below: bool) -> None:
    """Versions are compared as versions, not as text."""
    pin = sbom.Pin("pyjwt", version, None, ())
    floor = {"package": "pyjwt", "version": "2.13.0", "advisories": ["CVE-2026-1"]}
    found = audit.below_floor([pin], [floor])
    assert found == ([f"pyjwt {version} is below 2.13.0: CVE-2026-1"] if is_below else [])


LOCK = "".join(f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in ("alpha", "beta-two"))
ALPHA = {"name": "alpha", "version": "1.0", "vulns": []}
BETA = {"name": "beta_two", "version": "1.0", "vulns": []}
HOLE = {"id": "CVE-2026-1", "fix_versions": ["1.1"]}


def report(*rows: dict[str, Any]) -> str:
    """What pip-audit prints."""
    return json.dumps({"dependencies": list(rows), "fixes": []})


@pytest.mark.parametrize(
    ("output", "status", "expected", "words"),
    [
        (report(ALPHA, BETA), 0, 0, "2 of 2 looked up: 0 holes"),
        (report(ALPHA), 0, 3, "not measured: 1 of 2 not looked up (beta-two)"),
        (report(), 0, 3, "not measured: 2 of 2"),
        ("No known vulnerabilities found", 0, 3, "not measured: 2 of 2"),
        ("", 0, 3, "not measured: 2 of 2"),
        ("", 1, 3, "not measured: 2 of 2"),
        (
            report(ALPHA, {"name": "beta-two", "skip_reason": "not found"}),
            0,
            3,
            "not measured: 1 of 2",
        ),
        (report(ALPHA, {**BETA, "version": "0.9"}), 0, 3, "not measured: 1 of 2"),
        (report(ALPHA, {**BETA, "vulns": [HOLE]}), 1, 1, "beta-two 1.0: CVE-2026-1, mended in 1.1"),
        (report({**ALPHA, "vulns": [HOLE]}), 1, 1, "not measured: 1 of 2"),
        ("[]", 0, 3, "not measured: 2 of 2"),
        ('{"dependencies": [{}]}', 0, 3, "not measured: 2 of 2"),
        (None, 0, 3, "not measured: pip-audit is not installed"),
    ],
)
def test_audit(tmp_path: Path, output: str | None, status: int, expected: int, words: str) -> None:
    """Green only when every pin was looked up, whatever pip-audit says of itself."""
    if output is not None:
        program = tmp_path / "pip-audit"
        (tmp_path / "output").write_text(output, "utf-8")
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/output\nexit {status}\n", "utf-8")
        program.chmod(0o755)
    (tmp_path / "some.lock").write_text(LOCK, "utf-8")
    # An empty folder of scripts stands before the one where pip-audit may be installed.
    code = (
        "import sys, sysconfig, runpy; sysconfig.get_path = lambda name: '/nowhere'; "
        "sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0]); "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(TOOLS / "audit.py"), "--lock", "some.lock"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert words in result.stdout, result.stdout + result.stderr
    assert result.returncode == expected


# --- Installing ---


def small_wheel(folder: Path, body: str = "") -> str:
    """A wheel of one module; returns its hash."""
    files = {
        "locked.py": body,
        "locked-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: locked\nVersion: 1.0\n",
        "locked-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_urlsafe(text)},{len(text.encode())}" for name, text in files.items()]
    files["locked-1.0.dist-info/RECORD"] = "\n".join([*rows, "locked-1.0.dist-info/RECORD,,", ""])
    path = folder / "locked-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _urlsafe(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("altered", [False, True], ids=["as-locked", "altered"])
def test_an_altered_wheel_is_refused(tmp_path: Path, altered: bool) -> None:
    """With the options of this project, a wheel is installed only with the hash of the lock."""
    locked = small_wheel(tmp_path)
    if altered:
        small_wheel(tmp_path, body="print('another hand')\n")
    lock = tmp_path / "a.lock"
    lock.write_text(f"locked==1.0 --hash=sha256:{locked}\n", "utf-8")
    options = ["--require-hashes", "--only-binary", ":all:", "--no-index", "--no-cache-dir"]
    places = ["--find-links", str(tmp_path), "--target", str(tmp_path / "target")]
    result = subprocess.run(
        [*PIP, "install", *options, *places, "-r", str(lock)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert (result.returncode != 0) is altered, result.stderr
    assert (tmp_path / "target" / "locked.py").exists() is not altered
    assert ("DO NOT MATCH THE HASHES" in result.stderr) is altered


def test_what_the_image_installs() -> None:
    """Each installation of the Dockerfile is hash-checked wheels, or made of those before it."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    steps = [
        step.strip()
        for line in re.findall(r"^RUN (.*)$", text, re.MULTILINE)
        for step in line.split("&&")
        if re.search(r"\bpip (install|wheel)\b", step)
    ]
    assert len(steps) == 4
    for step in steps:
        if "-r " in step:
            assert "--require-hashes" in step
            assert "--only-binary :all:" in step
        else:
            assert "--no-index" in step or "--no-build-isolation" in step
            assert "--no-deps" in step


def _normal(pin: str) -> str:
    """`package==version` with the name as lock files write it."""
    name, _, version = pin.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def test_what_the_image_copies() -> None:
    """Every file that the Dockerfile copies is there, and let through by .dockerignore."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert [name for name in copied if not (ROOT / name).exists()] == []
    first, *rest = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert first == "*"
    assert copied - {line[1:] for line in rest if line.startswith("!")} == set()


@pytest.mark.skipif(
    "TEST_REQUIRE_ALL" not in os.environ,
    reason="downloads every locked package anew; .ci/run does it",
)
def test_a_clean_installation(tmp_path: Path) -> None:
    """From the lock and the wheel alone, wheels only, everything runs; nothing else comes along."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    folder = tmp_path / "clean"
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    hashed = ["--require-hashes", "--only-binary", ":all:", "--no-cache-dir"]
    for arguments in (
        ["install", *hashed, "-r", str(ROOT / SERVED[0])],
        ["install", "--no-deps", "--no-index", str(wheel)],
        ["check"],
    ):
        result = subprocess.run([*pip, *arguments], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    listed = subprocess.run(
        [*pip, "list", "--format", "freeze"], capture_output=True, text=True, check=True
    ).stdout
    installed = {_normal(line) for line in listed.split()}
    own = {f"bone-density-cds=={metadata.version('bone-density-cds')}"}
    assert installed == set(pins(SERVED[0])) | own
    program = folder / "bin" / "cds-service"
    result = subprocess.run(
        [program, "check"], cwd=tmp_path, env={"PATH": "/bin:/usr/bin"}, capture_output=True
    )
    assert result.returncode == 0

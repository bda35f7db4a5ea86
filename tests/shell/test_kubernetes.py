"""The manifests of deploy/kubernetes are valid and ask for no more than the service needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cds_service.cli import main
from cds_service.config import NAMES
from cds_service.engine import load_services
from cds_service.registry import load

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.37"
PLACEHOLDER = "registry.example.org/bone-density-cds"
USER = 65532


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if document["kind"] != "Kustomization":
                yield f"{document['kind']} {document['metadata']['name']}", document


DOCUMENTS = dict(_documents())


def _pod_specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in DOCUMENTS.items():
        if document["kind"] == "Deployment":
            yield name, document["spec"]["template"]["spec"]
        if document["kind"] == "CronJob":
            yield name, document["spec"]["jobTemplate"]["spec"]["template"]["spec"]


PODS = dict(_pod_specs())
CONTAINERS = {
    f"{name}, {container['name']}": container
    for name, pod in PODS.items()
    for container in [*pod.get("initContainers", []), *pod["containers"]]
}


def _one(kind: str) -> Any:
    (found,) = [document for document in DOCUMENTS.values() if document["kind"] == kind]
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema(name: str) -> None:
    """Each manifest follows the schema of its kind, without a field that nobody knows."""
    kubernetes_validate.validate(DOCUMENTS[name], VERSION, strict=True)


def test_everything_is_applied() -> None:
    """The kustomization lists each file, and renames the image of each container."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files
    assert [image["name"] for image in kustomization["images"]] == [PLACEHOLDER]


@pytest.mark.parametrize("name", PODS)
def test_pods_have_no_rights(name: str) -> None:
    """No root, no token of the cluster, the usual filter of system calls."""
    pod = PODS[name]
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, USER)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} == {
        "configMap",
        "emptyDir",
        "secret",
    }


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_have_no_rights(name: str) -> None:
    """No capabilities, a read-only root with a folder for what is passing, bounded memory."""
    container = CONTAINERS[name]
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108
    image, _, tag = container["image"].partition(":")
    assert (image, tag != "latest") == (PLACEHOLDER, True)


@pytest.mark.parametrize("name", CONTAINERS)
def test_settings_and_commands_exist(name: str) -> None:
    """Each setting and command is one of the program; secrets come as files that are mounted."""
    container = CONTAINERS[name]
    given = {item["name"]: item["value"] for item in container["env"]}
    assert given.keys() - {*NAMES} == set()
    assert given["CDS_MODE"] == "production"
    # The image names a SQLite file: emptied, so that the file with the address counts.
    assert given["CDS_DATABASE_URL"] == ""
    assert "CDS_SECRET_KEY" not in given
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for setting in ("CDS_SECRET_KEY_FILE", "CDS_DATABASE_URL_FILE", "CDS_CLIENTS"):
        assert str(Path(given[setting]).parent) in mounted
    if command := container.get("command"):
        assert command[0] == "cds-service"
        assert command[1] in main.commands


def test_never_without_a_pod() -> None:
    """Two pods or more, spread over nodes; a new one is ready before an old one goes."""
    deployment = _one("Deployment")["spec"]
    assert deployment["replicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert 1 <= _one("PodDisruptionBudget")["spec"]["minAvailable"] < deployment["replicas"]
    pod = deployment["template"]["spec"]
    spread = {item["topologyKey"] for item in pod["topologySpreadConstraints"]}
    assert "kubernetes.io/hostname" in spread
    (server,) = pod["containers"]
    probes = {name: server[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    assert {probe["path"] for probe in probes.values()} == {"/livez"}
    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"
    path = Path(__file__).parents[2] / "cds_service" / "gunicorn.conf.py"
    text = path.read_text("utf-8")
    graceful = int(re.findall(r"^graceful_timeout = (\d+)", text, re.MULTILINE)[0])
    pause = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + graceful + 5


def test_labels_meet() -> None:
    """What selects the pods of the server finds them; retention gets no calls."""
    deployment, budget = _one("Deployment")["spec"], _one("PodDisruptionBudget")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    services = [one for one in DOCUMENTS.values() if one["kind"] == "Service"]
    selectors = [deployment["selector"]["matchLabels"], budget["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in services]
    assert all(selector.items() <= labels.items() for selector in selectors)
    prune = _one("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert not any(selector.items() <= prune.items() for selector in selectors)
    assert _one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= prune.items()
    assert {one["metadata"].get("namespace", "cds-service") for one in DOCUMENTS.values()} == {
        "cds-service"
    }


def test_administration_is_for_monitoring_only() -> None:
    """Clients reach the public port only, monitoring the other one only."""
    policy = _one("NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    allowed = {
        rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: [
            port["port"] for port in rule["ports"]
        ]
        for rule in policy["ingress"]
    }
    assert allowed == {"ingress-nginx": ["http"], "monitoring": ["admin"]}
    public = [
        port["targetPort"]
        for document in DOCUMENTS.values()
        if document["kind"] == "Service" and document["metadata"]["name"] == "cds-service"
        for port in document["spec"]["ports"]
    ]
    assert public == ["http"]


def test_the_clients_are_valid(tmp_path: Path) -> None:
    """The file of clients in the ConfigMap loads, and begins in silent mode."""
    text = _one("ConfigMap")["data"]["clients.toml"]
    path = tmp_path / "clients.toml"
    path.write_text(text, "utf-8")
    assert load(path, load_services()).clients.keys() >= tomllib.loads(text)["clients"].keys()
    assert {client["mode"] for client in tomllib.loads(text)["clients"].values()} == {"silent"}

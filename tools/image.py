"""Follows the steps of the Dockerfile without a container engine, and proves what comes of them.

    python tools/image.py --python ~/.pyenv/versions/3.13.0 --folder /tmp/image

Needs Linux and root. First stage: wheels by hash, then our own. Second stage: a root folder with a
copy of that Python, the libraries of this machine and the wheels. Then gunicorn is started in it as
the image would be: user 65532, no capabilities, no new privileges, root read-only, no network but
loopback; only /data, /tmp and /dev/shm can be written. What is not proven: the base image itself.
Ends with 0 when everything is as it must be.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import tokens  # noqa: E402

USER = 65532
MEMORY_BYTES = 512 << 20
GUNICORN = ("gunicorn", "--config", "/etc/gunicorn.conf.py")
GIVEN = {"CDS_CLIENTS": "/run/clients.toml", "CDS_SECRET_KEY_FILE": "/run/secret.key"}
REGISTRY = f"""\
[clients.ehr.trust]
issuer = "{tokens.ISSUER}"
audiences = ["{tokens.PUBLIC}"]
jwks_file = "keys.json"
"""

# Arguments: root folder, folder with etc/ and data/, "tmp" or "no-tmp", then the command.
ENTER = """
set -eu
R=$1; C=$2; TMP=$3; shift 3
mount --make-rprivate /
mount --bind "$R" "$R"
for d in usr/lib usr/lib64; do mount --bind /$d "$R/$d"; mount -o remount,bind,ro "$R/$d"; done
mount -t proc -o ro,nosuid,nodev,noexec proc "$R/proc"
mount -t tmpfs -o mode=755,size=64k,nosuid tmpfs "$R/dev"
for d in null zero random urandom; do touch "$R/dev/$d"; mount --bind /dev/$d "$R/dev/$d"; done
mkdir "$R/dev/shm"
mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev,noexec tmpfs "$R/dev/shm"
test $TMP = no-tmp || mount -t tmpfs -o mode=1777,size=16m,nosuid,nodev,noexec tmpfs "$R/tmp"
mount --bind "$C/data" "$R/data"; mount -o remount,bind,nosuid,nodev,noexec "$R/data"
mount --bind "$C/etc" "$R/run"; mount -o remount,bind,ro "$R/run"
mount -o remount,bind,ro "$R"
exec "$@"
"""

PROBE = f"""
import os, psycopg
assert (os.getuid(), os.getgid(), os.getgroups()) == ({USER}, {USER}, [])
status = open("/proc/self/status").read()
assert "CapEff:\\t0000000000000000" in status and "CapBnd:\\t0000000000000000" in status
assert "NoNewPrivs:\\t1" in status
import cds_service
for folder in ("/", "/etc", "/usr/local", cds_service.__path__[0], "/run", "/data", "/dev/shm"):
    try:
        open(folder + "/probe", "w").close()
        os.unlink(folder + "/probe")
        print("writable ", folder)
    except OSError as error:
        print("read-only", folder)
"""


def sh(*command: str | Path, **environment: str) -> str:
    """The output of a command that must succeed."""
    found = subprocess.run(  # noqa: S603 - the commands of this module
        [str(part) for part in command],
        env=environment or None,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        sys.exit(f"{command[0]}: {found.stdout}{found.stderr}")
    return found.stdout


def docker_environment() -> dict[str, str]:
    """The variables that the second stage of the Dockerfile sets."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").rpartition("\nFROM ")[2]
    lines = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def first_stage(python: Path, folder: Path) -> Path:
    """The wheels; built from copies, as the Dockerfile copies them."""
    source, wheels = folder / "src", folder / "wheels"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source)
    for name in ("cds_service", "hooks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    sh(python / "bin" / "python3", "-m", "venv", folder / "build")
    pip = (folder / "build" / "bin" / "pip", "--no-cache-dir", "--disable-pip-version-check")
    hashed = ("--require-hashes", "--only-binary", ":all:")
    lock, build = ROOT / "requirements-postgres.lock", ROOT / "requirements-build.lock"
    sh(*pip, "wheel", *hashed, "--no-deps", "--wheel-dir", wheels, "-r", lock)
    sh(*pip, "install", *hashed, "-r", build)
    sh(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source)
    return wheels


def second_stage(python: Path, wheels: Path, root: Path) -> None:
    """The root folder: Python at /usr/local as in the base image, then what the Dockerfile adds."""
    for name in ("usr/bin", "usr/lib", "usr/lib64", "tmp", "dev", "proc", "run", "etc", "data"):
        (root / name).mkdir(parents=True)
    for name in ("lib", "lib64", "bin"):
        (root / name).symlink_to(f"usr/{name}")
    ignored = shutil.ignore_patterns("test", "__pycache__", "*.a", "idlelib", "site-packages")
    shutil.copytree(python, root / "usr" / "local", symlinks=True, ignore=ignored)
    (site,) = (root / "usr" / "local" / "lib").glob("python3.*")
    (site / "site-packages").mkdir()
    for name in ("/bin/sh", "/usr/bin/setpriv"):
        shutil.copy(name, root / "usr" / "bin")
    (root / "etc" / "ld.so.conf").write_text("/usr/local/lib\n", "utf-8")
    sh("ldconfig", "-r", root)
    binary = root / "usr" / "local" / "bin" / "python3"
    library = {"LD_LIBRARY_PATH": str(root / "usr" / "local" / "lib"), "PATH": "/usr/bin:/bin"}
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", binary)
    options = ("--no-cache-dir", "--no-index", "--no-deps", "--compile")
    sh(*pip, "install", *options, *sorted(wheels.glob("*.whl")), **library)
    for script in (root / "usr" / "local" / "bin").iterdir():
        if script.is_file() and script.read_bytes().startswith(b"#!" + bytes(binary.parent)):
            text = script.read_text("utf-8").replace(str(binary.parent), "/usr/local/bin", 1)
            script.write_text(text, "utf-8")
    inside = f"/usr/local/lib/{site.name}/site-packages/cds_service/gunicorn.conf.py"
    (root / "etc" / "gunicorn.conf.py").symlink_to(inside)


def configuration(folder: Path) -> Path:
    """What an operator gives: registry, keys of the issuer, secret key, an empty /data."""
    (folder / "etc").mkdir(parents=True)
    (folder / "data").mkdir()
    os.chown(folder / "data", USER, USER)
    (folder / "etc" / "clients.toml").write_text(REGISTRY, "utf-8")
    keys = json.dumps(tokens.jwks(tokens.jwk("rsa-a", alg="RS384")))
    (folder / "etc" / "keys.json").write_text(keys, "utf-8")
    secret = folder / "etc" / "secret.key"
    secret.write_text(secrets.token_hex(32), "utf-8")
    secret.chmod(0o400)
    os.chown(secret, USER, USER)
    return folder


class Image:
    """A root folder and a configuration, ready to run commands as the image would."""

    def __init__(self, root: Path, config: Path) -> None:
        self.root, self.config = root, config

    def command(self, given: Mapping[str, str], *argv: str, tmp: str = "tmp") -> list[str]:
        """A command inside, with the variables of the image and those given."""
        variables = {"PATH": "/usr/local/bin:/usr/bin"} | docker_environment() | dict(given)
        user = ["--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--no-new-privs"]
        user += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("sh", "-c", ENTER, "sh", str(self.root), str(self.config), tmp),
            *("env", "-i", *(f"{name}={value}" for name, value in variables.items())),
            *("/usr/sbin/chroot", str(self.root), "setpriv", *user),
            *("sh", "-c", 'cd /tmp && exec "$@"', "sh", *argv),
        ]

    def run(self, given: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
        """What a command inside says."""
        command = self.command(given, *argv)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603

    def processes(self) -> list[int]:
        """Process ids of what runs inside."""
        found = []
        for path in Path("/proc").iterdir():
            try:
                if path.name.isdigit() and os.readlink(path / "root") == str(self.root):
                    found.append(int(path.name))
            except OSError:  # it has ended
                continue
        return sorted(found)

    @contextmanager
    def serving(self, tmp: str = "tmp") -> Iterator[None]:
        """The server, from its first answer to a clean end."""
        log = self.config / "server.log"
        with log.open("a") as output:
            command = self.command(GIVEN, *GUNICORN, tmp=tmp)
            process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603
            begin = time.monotonic()
            try:
                while True:
                    try:
                        ask("GET", "/livez")
                        break
                    except OSError:
                        if process.poll() is not None or time.monotonic() - begin > 60:
                            sys.exit(f"the server did not start:\n{log.read_text('utf-8')}")
                        time.sleep(0.02)
                print(f"first answer after {time.monotonic() - begin:.1f} s")
                yield
                os.kill(self.processes()[0], signal.SIGTERM)
                must("the server ends cleanly", process.wait(30), 0)
            finally:
                for one in self.processes():
                    os.kill(one, signal.SIGKILL)


def ask(method: str, path: str, body: bytes | None = None, token: str = "") -> tuple[int, bytes]:
    """Status and body of one call."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def must(what: str, found: object, expected: object) -> None:
    """Prints what was found, and ends the program where something else was expected."""
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"{what}: expected {expected}")


def limit_memory() -> None:
    """Holds this process and all that it starts within what a container would get, if it can."""
    group = Path("/sys/fs/cgroup/memory") / f"image-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        print(f"memory is not limited here: {error.strerror}")
        return
    print(f"memory is limited to {MEMORY_BYTES >> 20} MiB, this script included")


def prove(image: Image) -> None:
    """Every refusal, then every answer."""
    for name in (*GIVEN, "CDS_AUTH"):
        given = {key: value for key, value in GIVEN.items() if key != name}
        given |= {"CDS_AUTH": "off"} if name == "CDS_AUTH" else {}
        found = image.run(given, *GUNICORN)
        what = "with CDS_AUTH=off" if name == "CDS_AUTH" else f"without {name}"
        must(f"start {what} is refused", found.returncode != 0 and name in found.stderr, True)
    found = image.run(GIVEN, "python", "-c", PROBE)
    print(found.stdout, end="")
    must("user, capabilities, psycopg", (found.returncode, found.stderr), (0, ""))
    must("places that can be written", found.stdout.count("writable "), 2)
    body = (ROOT / "fixtures" / "requests" / "qus.json").read_bytes()
    used = tokens.token("rsa-a", "RS384")
    with image.serving():
        for path in ("/livez", "/readyz", "/cds-services"):
            must(f"GET {path}", ask("GET", path)[0], 200)
        must("hook without a token", ask("POST", tokens.PATH, body)[0], 401)
        status, answer = ask("POST", tokens.PATH, body, used)
        must("hook with a token", (status, len(json.loads(answer)["cards"])), (200, 1))
        must("the same token again", ask("POST", tokens.PATH, body, used)[0], 401)
        forged = tokens.token("rsa-b", "RS384", header={"kid": "rsa-a"})
        must("a token of another key", ask("POST", tokens.PATH, body, forged)[0], 401)
        for path in ("/", "/metrics", "/explain/bone-density-imaging"):
            must(f"GET {path}", ask("GET", path)[0], 404)
        text = (ROOT / "Dockerfile").read_text("utf-8")
        health = json.loads(re.findall(r'CMD (\["python".*\])', text)[0])
        must("HEALTHCHECK", image.run(GIVEN, *health).returncode, 0)
        maps = [Path(f"/proc/{one}/smaps_rollup").read_text() for one in image.processes()]
        sizes = [int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in maps]
        print(f"memory of {len(sizes)} processes: {sum(sizes) // 1024} MiB (PSS)")
    with image.serving(tmp="no-tmp"):  # as `docker run --read-only` without --tmpfs
        must("after a restart, the same token", ask("POST", tokens.PATH, body, used)[0], 401)
        fresh = tokens.token("rsa-a", "RS384")
        must("a new one, nothing writable but /data", ask("POST", tokens.PATH, body, fresh)[0], 200)


def kibibytes(folder: Path) -> int:
    """What the files of a folder take on disk."""
    return sum(p.lstat().st_blocks for p in folder.rglob("*") if not p.is_symlink()) // 2


def main() -> None:
    """Builds in a new folder, proves, and prints sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="folder of a Python 3.13")
    parser.add_argument("--folder", type=Path, required=True, help="a folder to be made")
    given = parser.parse_args()
    if "IMAGE_ALONE" not in os.environ:  # a network of its own, with loopback only
        folder: Path = given.folder
        folder.mkdir(parents=True)
        begin = time.monotonic()
        wheels = first_stage(given.python, folder)
        print(f"first stage: {len(list(wheels.iterdir()))} wheels, {kibibytes(wheels)} KiB")
        second_stage(given.python, wheels, folder / "root")
        print(f"second stage: /usr/local is {kibibytes(folder / 'root/usr/local')} KiB")
        print(f"both took {time.monotonic() - begin:.0f} s")
        again = [sys.executable, *sys.argv]
        command = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *again]
        sys.exit(subprocess.run(command, env={**os.environ, "IMAGE_ALONE": "1"}).returncode)  # noqa: S603
    limit_memory()
    prove(Image(given.folder / "root", configuration(given.folder / "config")))
    print("everything is as it must be")


if __name__ == "__main__":
    main()

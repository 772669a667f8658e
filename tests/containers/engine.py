"""podman with storage, networks and settings of its own, so that nothing of the machine's is touched or left behind."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.integration.compose import BIN, COMPOSE_FILE
from tests.integration.stack import wait_until

SANDBOX_FILE: Final = Path(__file__).with_name("sandbox.yml")
PROJECT: Final = "segue"
PROFILES: Final = ("tracking-api", "monitoring", "rabbitmq")
_NAMES: Final = "{{.Names}}"
_LONGEST_S: Final = 900
_PODMAN_PROCESSES: Final = 32768
"""podman lowers its own limit to this, and may not give a container more."""


class ContainersError(Exception):
    """A step could not be done; the message carries what the program said."""


def run(*command: str | Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and hand back what it wrote to stdout. Raises ContainersError where it fails."""
    try:
        done = subprocess.run(
            command,
            env=environ,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
    except subprocess.CalledProcessError as error:
        said = "\n".join([*error.stdout.splitlines(), *error.stderr.splitlines()][-40:])
        raise ContainersError(f"{' '.join(map(str, command))} ended with {error.returncode}:\n{said}") from None
    except subprocess.TimeoutExpired:
        raise ContainersError(f"{' '.join(map(str, command))} took longer than {_LONGEST_S} s") from None
    return done.stdout


class Engine:
    """A podman of its own, and the project of docker-compose.yml in it, as a context manager that removes both.

    Args:
        directory: for images, containers, volumes and settings; deleted by who made it.

    Attributes:
        variables: what `.env` holds; changes count at the next `compose`.
    """

    def __init__(self, directory: Path) -> None:
        self.variables: dict[str, str] = {}
        self._directory = directory
        self._environ = {
            "PATH": os.environ["PATH"],
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            # systemd's timers would run the health checks; here `up` and `wait_healthy` do, on any machine.
            "DISABLE_HC_SYSTEMD": "true",
        }
        (directory / "storage.conf").write_text(_toml({
            "storage": {"driver": _driver(), "graphroot": str(directory / "storage"), "runroot": str(directory / "run")}
        }))  # fmt: skip
        (directory / "containers.conf").write_text(_toml({
            "containers": {"default_ulimits": _ulimits()},
            "engine": {
                # runc copes with every layout of control groups; crun with v1 beside v2 does not.
                "runtime": "runc" if shutil.which("runc") else "crun",
                "cgroup_manager": "cgroupfs",
                "events_logger": "file",
                "tmp_dir": str(directory / "tmp"),
            },
            "network": {"network_backend": "netavark", "network_config_dir": str(directory / "networks")},
        }))  # fmt: skip

    def podman(self, *arguments: str | Path) -> str:
        """Run podman and hand back its stdout."""
        return run("podman", *arguments, environ=self._environ)

    def compose(self, *arguments: str) -> str:
        """Run podman-compose on the project, with every profile, and hand back its stdout."""
        env_file = self._directory / "env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()), encoding="utf-8")
        profiles = [part for profile in PROFILES for part in ("--profile", profile)]
        options = ["--project-name", PROJECT, "--env-file", str(env_file), *profiles]
        files = ("--file", COMPOSE_FILE, "--file", SANDBOX_FILE)
        return run(BIN / "podman-compose", *options, *files, *arguments, environ=self._environ)

    def up(self, services: Sequence[str]) -> None:
        """Create and start what is missing of these services; those that wait until others are healthy hear of it."""
        with ThreadPoolExecutor(1) as executor:
            starting = executor.submit(self.compose, "up", "--detach", *services)
            while not starting.done():
                for name in self.podman("ps", "--format", _NAMES).split():
                    self._is_healthy(name)
                wait([starting], timeout=1)
            starting.result()

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service, underscore and number → what `podman inspect` says of the container."""
        names = self.podman("ps", "--all", "--format", _NAMES).split()
        inspected = json.loads(self.podman("inspect", *names)) if names else []
        return {each["Name"].removeprefix(f"{PROJECT}_"): each for each in inspected}

    def wait_healthy(self, services: Sequence[str]) -> None:
        """Run the health checks of services, as the file gives them, until each container's says that all is well."""
        for name in self.containers():
            if name.rpartition("_")[0] in services:
                wait_until(partial(self._is_healthy, f"{PROJECT}_{name}"), within_s=120)

    def _is_healthy(self, name: str) -> bool:
        with suppress(ContainersError):
            self.podman("healthcheck", "run", name)
            return True
        return False

    def say_logs(self) -> None:
        """The last lines of every container, on stderr."""
        for name, each in self.containers().items():
            sys.stderr.write(f"--- {name}: {each['State']['Status']}, exit code {each['State']['ExitCode']}\n")
            done = subprocess.run(
                ("podman", "logs", "--tail", "20", f"{PROJECT}_{name}"),
                env=self._environ,
                check=False,
                capture_output=True,
            )
            sys.stderr.write((done.stdout + done.stderr).decode(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All that this storage knows: other containers of the machine are in another one.
        self.podman("pod", "rm", "--all", "--force", "--time", "0")
        self.podman("volume", "prune", "--force")
        self.podman("network", "prune", "--force")
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()[::-1]:
            mounted = line.split()[1]
            if Path(mounted).is_relative_to(self._directory):
                run("umount", mounted)


def _driver() -> str:
    """overlay where the kernel has it; vfs, which copies whole images, where not."""
    return "overlay" if "\toverlay\n" in Path("/proc/filesystems").read_text(encoding="utf-8") else "vfs"


def _ulimits() -> list[str]:
    """What a process may raise: podman's defaults are more than root has where it may not raise its own limits."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, processes = resource.getrlimit(resource.RLIMIT_NPROC)
    if processes == resource.RLIM_INFINITY:
        processes = _PODMAN_PROCESSES
    processes = min(processes, _PODMAN_PROCESSES)
    return [f"nofile={files}:{files}", f"nproc={processes}:{processes}"]


def _toml(tables: Mapping[str, Mapping[str, str | list[str]]]) -> str:
    """Texts and lists of texts, which TOML writes as JSON does."""
    return "".join(
        f"[{table}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in entries.items())
        for table, entries in tables.items()
    )

"""docker-compose.yml without Docker: the file as Compose resolves it, and its services as plain processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final, Self

from ruamel.yaml import YAML

from segue_worker.config.durations import parse_duration

from .stack import wait_until

ROOT: Final = Path(__file__).parents[2]
COMPOSE_FILE: Final = ROOT / "docker-compose.yml"
BIN: Final = Path(sys.executable).parent

Service = dict[str, Any]


class ComposeError(Exception):
    """Compose refuses the file; carries what it said."""


def resolve(variables: Mapping[str, str], directory: Path) -> dict[str, Any]:
    """docker-compose.yml with its variables replaced and its anchors merged.

    Args:
        variables: what `.env` holds; nothing else is known.
        directory: for that file.
    """
    env_file = directory / "compose.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()), encoding="utf-8")
    done = subprocess.run(
        [BIN / "podman-compose", "--dry-run", "--env-file", env_file, "--file", COMPOSE_FILE, "config"],
        env={"PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ComposeError(done.stderr)
    resolved: dict[str, Any] = YAML(typ="safe").load(StringIO(done.stdout))
    return resolved


def grace_s(service: Service) -> float:
    """Seconds between SIGTERM and SIGKILL."""
    return parse_duration(service["stop_grace_period"]).total_seconds()


class ServiceProcess:
    """One container of a service, as a process with only the environment that the file gives it.

    Args:
        name: instead of the host name that Docker gives each container.
        service: as resolved.
        variables: those that the service's environment hands through.
        changes: environment variables that must differ outside a container, as ports.
        path: folders of the programs.
        arguments: further ones of the command.
        directory: for its log, and to run in.
    """

    def __init__(  # noqa: PLR0913 - what a container engine would know
        self,
        name: str,
        service: Service,
        *,
        variables: Mapping[str, str],
        path: str,
        directory: Path,
        changes: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.service = service
        self.environ = {**_environment(service, variables), **(changes or {}), "PATH": path}
        self._directory = directory
        self._log = directory / f"{name}.log"
        given = (*service.get("entrypoint", ["/usr/bin/env"]), *service["command"], *arguments)
        command = [part.replace("%h", name) for part in given]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self.environ,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def check_health(self) -> subprocess.CompletedProcess[str]:
        """Run the health check once, as the file gives it."""
        kind, *test = self.service["healthcheck"]["test"]
        command = ["/bin/sh", "-c", *test] if kind == "CMD-SHELL" else ["/usr/bin/env", *test]
        timeout = parse_duration(self.service["healthcheck"]["timeout"]).total_seconds()
        return subprocess.run(
            command,
            env=self.environ,
            cwd=self._directory,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def wait_healthy(self) -> None:
        """Wait for the first good health check, for as long as the start period and the retries allow."""
        check = self.service["healthcheck"]
        start, interval = (parse_duration(check[name]).total_seconds() for name in ("start_period", "interval"))
        wait_until(self._is_healthy, within_s=start + check["retries"] * interval)

    def _is_healthy(self) -> bool:
        assert self._process.poll() is None, self.log
        return self.check_health().returncode == 0

    def stop(self) -> int:
        """SIGTERM to the main process alone, SIGKILL to all of it after the grace period. Returns the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(grace_s(self.service))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _environment(service: Service, variables: Mapping[str, str]) -> dict[str, str]:
    mounts = {mount["target"]: mount["source"] for mount in service.get("volumes", ()) if isinstance(mount, dict)}
    environ = {}
    for name, value in service.get("environment", {}).items():
        if value is not None:
            environ[name] = mounts.get(str(value), str(value))
        elif name in variables:
            environ[name] = variables[name]
    return environ

"""Stand-ins for the published base images, from Debian's packages: where no registry of images can be reached."""

import re
import shutil
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from tests.containers.engine import ContainersError, Engine, run
from tests.integration.compose import COMPOSE_FILE, ROOT

SUITE: Final = "trixie"
PACKAGES: Final = (
    *("busybox", "ca-certificates", "prometheus", "python3-pip", "python3-venv", "rabbitmq-server", "redis-server"),
)
ENTRYPOINTS: Final = {
    # docker-compose.yml goes without the entrypoint of Redis's image; if it did not, this would end it.
    "redis": "/bin/false",
    "prometheus": "/usr/bin/prometheus",
    # What is in /usr/sbin writes a log at its start, and the root file system is read-only.
    "rabbitmq": "/usr/lib/rabbitmq/bin/rabbitmq-server",
}
_SET_UP: Final = """
    ln -sf python3 /usr/bin/python
    ln -sf busybox /usr/bin/wget
    install -d -o redis -g redis /data
    install -d -o nobody -g nogroup /prometheus
"""


def make_base_images(engine: Engine, directory: Path) -> list[str]:
    """Import an image for the Dockerfile and for each service in `ENTRYPOINTS`, by the names that these ask for.

    Args:
        engine: takes the images.
        directory: for the root file system, some 500 MB.

    Returns:
        The names.
    """
    root, archive = directory / "root", directory / "root.tar"
    run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root)
    # What this machine trusts, and perhaps needs to: a proxy may stand between it and the package index.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    run("chroot", root, "sh", "-euc", _SET_UP)
    run("tar", "--create", "--file", archive, "--directory", root, ".")
    python = _python_version()
    if not (root / "usr/bin" / f"python{python}").exists():
        raise ContainersError(f"the Dockerfile asks for Python {python}, which Debian {SUITE} has not: change SUITE")
    services = YAML(typ="safe").load(COMPOSE_FILE)["services"]
    names = [f"python:{python}-slim", *(services[service]["image"] for service in ENTRYPOINTS)]
    engine.podman("import", archive, f"localhost/{names[0]}")
    for name, entrypoint in zip(names[1:], ENTRYPOINTS.values(), strict=True):
        # Debian's RabbitMQ would write its log into a file, which the published image's does not.
        changes = ("--change", f'ENTRYPOINT ["{entrypoint}"]', "--change", "ENV RABBITMQ_LOGS=-")
        engine.podman("import", *changes, archive, f"localhost/{name}")
    shutil.rmtree(root)
    archive.unlink()
    return names


def _python_version() -> str:
    found = re.search(r"^ARG PYTHON_VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ContainersError("the Dockerfile has no ARG PYTHON_VERSION with a default")
    return found[1]

"""What to say where an extra of the package is not installed: which, and how to get it into this environment."""

import shlex
import sys
from importlib.util import find_spec
from typing import Final

_OWN: Final = ("segue_producer", "segue_tracking_api", "segue_worker", "segue_sandbox")


def install_command(extras: str) -> str:
    """The command that adds extras to the environment this process runs in.

    pip takes the Segue that is installed there and adds what the extras name, so it works wherever Segue came from:
    an index, a wheel, a checkout. It is named by its interpreter, which may not be the one on PATH.

    Args:
        extras: as between brackets, like `worker,http`.
    """
    python = shlex.quote(sys.executable)
    pip = f"{python} -m pip" if find_spec("pip") else f"pip --python {python}"
    return f'{pip} install "segue[{extras}]"'


def not_installed(missing: ModuleNotFoundError, extras: str) -> str:
    """One line that says which module is missing and how to install the extras that bring it.

    Raises:
        ModuleNotFoundError: the module is one of Segue's own, which no extra brings.
    """
    name = missing.name or ""
    if name.partition(".")[0] in ("", *_OWN):
        raise missing
    return f"{name} is not installed; this needs: {install_command(extras)}"

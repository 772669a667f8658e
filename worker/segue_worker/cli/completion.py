"""What shells offer when somebody types: names of destinations. Values of options with fixed choices they offer by themselves."""

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from segue_producer.clients import redis_client
from segue_producer.settings import DEFAULT_REDIS_URL
from segue_worker.config import inspect_config
from segue_worker.observing.destinations import known_destinations

_TIMEOUT_S: Final = 1.0


class DestinationArgument(click.types.StringParamType):
    """The name of a destination, taken as it is; shells offer those of the configuration and those that Redis knows."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        """The names that begin so."""
        config = Path(ctx.params.get("config") or os.environ.get("SEGUE_CONFIG", "segue.yaml"))
        url = ctx.params.get("redis_url") or os.environ.get("SEGUE_REDIS_URL", DEFAULT_REDIS_URL)
        return [CompletionItem(name) for name in _names(config, url) if name.startswith(incomplete)]


DESTINATION: Final = DestinationArgument()


def _names(config: Path, url: str) -> list[str]:
    try:
        with redis_client(url, timeout=_TIMEOUT_S) as redis:
            known = known_destinations(redis, config)
            return [*known.names, *known.damaged]
    except Exception:  # noqa: BLE001 - whatever is wrong, nobody wants to read of it in the middle of typing
        found = inspect_config(config).config
        return [destination.name for destination in found.destinations] if found else []

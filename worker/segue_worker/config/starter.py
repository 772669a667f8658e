"""Writes a configuration to begin with: one destination, the two default mappings, and sources if wanted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_HEAD = "# Segue's configuration. `segue check` says what is wrong with it; docs/configuration.md explains every key.\n"
_SOURCE = """\
  - write_key: ${{{variable}}}
    destinations: [{name}]
"""
_MAPPINGS = """\
    mappings: # at most 50; an event becomes one request for each mapping whose trigger it meets
      # Every identify call creates or updates a contact.
      - name: Sync contacts
        action: createOrUpdateContact
        trigger: type = "identify"
      # Every track call becomes a Loops event of the same name.
      - name: Send events
        action: sendEvent
        trigger: type = "track"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """The answers from which a first configuration is written.

    Attributes:
        name: name of the destination.
        api_key_variable: environment variable that holds the API key, unless a file does.
        api_key_file: path of a file that holds the API key, or None.
        base_url: address of the Loops API, or None for the usual one.
        sources: environment variables that hold write keys of the Tracking API.
    """

    name: str
    api_key_variable: str
    api_key_file: str | None = None
    base_url: str | None = None
    sources: Sequence[str] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that the configuration needs."""
        return (*(() if self.api_key_file else (self.api_key_variable,)), *self.sources)

    def text(self) -> str:
        """Return the configuration. Mappings come last, so that further ones can be added at the end of the file."""
        sources = "".join(_SOURCE.format(variable=each, name=_text(self.name)) for each in self.sources)
        key = (
            f"api_key_file: {_text(self.api_key_file)}"
            if self.api_key_file
            else f"api_key: ${{{self.api_key_variable}}}"
        )
        address = f"    base_url: {_text(self.base_url)}\n" if self.base_url else ""
        return (
            _HEAD
            + (f"sources: # write keys of the Tracking API\n{sources}" if sources else "")
            + f"destinations:\n  - name: {_text(self.name)}\n    {key}\n{address}"
            + _MAPPINGS
        )


def _text(value: str) -> str:
    """Write a text as YAML: as it is where YAML would read the same text, otherwise quoted as in JSON."""
    try:
        plain = YAML(typ="safe", pure=True).load(value) == value
    except YAMLError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)

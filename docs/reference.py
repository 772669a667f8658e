"""Writes the pages that are made from the code: `make reference`, or `python docs/reference.py`.

`configuration.md` comes from the configuration's JSON Schema, `commands.md` from click, `metrics.md` from the list of
metrics. A test compares each page with what this module makes now.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from segue_worker.cli import segue
from segue_worker.config import json_schema
from segue_worker.observing.metrics.registry import METRICS, Metric
from segue_worker.observing.status import COUNTED_AS

_HERE: Final = Path(__file__).parent
_MADE: Final = "<!-- Made by docs/reference.py from the code: change the code, then run `make reference`. -->\n\n"
_SHAPES: Final = {
    "FileShape": "The file",
    "DestinationShape": "A destination",
    "RetryShape": "retry",
    "DeadLetterShape": "dead_letter",
    "MappingShape": "A mapping",
    "SourceShape": "A source",
}
"""Model of the schema → heading of its section, in the order of the page."""

_CONFIGURATION: Final = """\
# Configuration

Workers and commands read one YAML file, `segue.yaml` unless `SEGUE_CONFIG` or `--config` names another.
[segue.example.yaml](../segue.example.yaml) is a file to copy, with every setting explained in place. A file that breaks
a rule is refused as a whole, with the line, the path and the reason of every problem; unknown keys are problems too.
`segue check` reads a file as a worker would, and `segue check --schema` prints the JSON Schema this page is made from.

- `${NAME}` in a value is replaced by the environment variable `NAME`, and `$$` by a dollar sign. A variable that is not
  set is a problem. Paths such as `$.traits` stay as they are.
- A duration is a number with its unit: `90s`, `30m`, `24h`, `30d`, `1h30m`.
- A changed file counts once the workers have been restarted; see
  [changing the configuration](running.md#changing-the-configuration).
- What triggers and mapping fields may say is on the page about [Segment](segment.md).
"""

_ENVIRONMENT: Final = """\
## Environment variables

| variable | default | read by | meaning |
|---|---|---|---|
| `SEGUE_REDIS_URL` | `redis://localhost:6379/0` | everything | The Redis that holds the outbox. `rediss://` uses TLS, `unix://` a socket; [other forms](engines.md#how-to-name-it) are for Sentinel and clusters. |
| `SEGUE_BROKER_URL` | the Redis | producers, workers | The Celery broker. It may be another Redis, or RabbitMQ (`amqp://`); with a cluster it must be named. |
| `SEGUE_CONFIG` | `segue.yaml` | workers, commands | The configuration file. |
| `SEGUE_LOG` | `console` | workers, `segue tracking-api`, `segue dashboard` | `json` writes one JSON object on each line, and [nothing else](logs.md#logs). |
| `SEGUE_DASHBOARD_TOKEN` | none | `segue dashboard` | What people sign in with: at least 16 characters. |
| `SEGUE_DASHBOARD_URL` | none | `segue dashboard` | The address that people see, [behind a proxy](running.md#the-dashboard-behind-a-proxy). |
| `FORWARDED_ALLOW_IPS` | `127.0.0.1, ::1` | `segue dashboard` | Which proxies are believed when they say who the client is. |
| `SEGUE_REDIS_SERVER` | that of the extra `demo` | `segue redis`, `segue demo`, tests | The Redis or Valkey server to start: a path, or a name on `PATH`. |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | none | workers | Where [traces](logs.md#traces) go; OpenTelemetry's other variables count too. |
| `TRACKING_API_PORT` | `8710` | `segue tracking-api` | The port to listen on. |

The names that `${NAME}` refers to, such as `LOOPS_API_KEY` and `SEGUE_WRITE_KEY`, are your own choice. Variables that
only tests and measurements use are listed in [CONTRIBUTING.md](../CONTRIBUTING.md#variables-for-tests).
"""


def configuration() -> str:
    """The text of `configuration.md`."""
    schema = json_schema()
    shapes = {**schema["$defs"], "FileShape": schema}
    sections = [_section(heading, shapes[name], shapes) for name, heading in _SHAPES.items()]
    return "\n".join([_MADE + _CONFIGURATION, *sections, _ENVIRONMENT])


def _section(heading: str, shape: Mapping[str, Any], shapes: Mapping[str, Any]) -> str:
    required = set(shape.get("required", ()))
    lines = [f"## {heading}", "", shape["description"], "", "| key | default | value | meaning |", "|---|---|---|---|"]
    for key, field in shape["properties"].items():
        default = "required" if key in required else _default(field)
        meaning = field.get("description") or shapes[_reference(field)]["description"]
        lines.append(f"| `{key}` | {default} | {_value(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _reference(field: Mapping[str, Any]) -> str:
    """The name of the model that a field, or each member of its list, is of; "" where it is of none."""
    reference: str = field.get("$ref") or field.get("items", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def _value(field: Mapping[str, Any]) -> str:
    """What may be written for a key, in a few words."""
    # Variables may stand for any value, so the alternative `${NAME}` need not be told again and again.
    field = field.get("anyOf", [field])[0]
    if shape := _reference(field):
        heading = _SHAPES[shape]
        link = f"[{heading}](#{heading.lower().replace(' ', '-')})"
        return f"a list; see {link}" if "items" in field else f"see {link}"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "integer":
        return f"{field['minimum']:,} to {field['maximum']:,}"
    if "examples" in field:
        least, most = field["examples"]
        return f"a duration, `{least}` to `{most}`"
    if "maxLength" in field:
        return f"text, at most {field['maxLength']} characters"
    return {"string": "text", "boolean": "`true` or `false`", "array": "a list", "object": "an object"}[field["type"]]


_COMMANDS: Final = """\
# Commands

Every command has `--help`. It exits with 0 when it did what it was asked, with 1 when something failed, and with 2 on
bad usage or a faulty configuration. Data goes to stdout and remarks go to stderr, so output can be piped.

## Shared options

"""
_SHARED: Final = ("config", "redis_url", "as_json")
"""Options, by the name of their parameter, that are told once for all commands."""


def commands() -> str:
    """The text of `commands.md`."""
    found = list(_walk(segue, click.Context(segue, info_name="segue")))
    shared = {name: context for _, context in found for name in _names(context) if name in _SHARED}
    told = [_option(_names(context)[name], context) for name, context in sorted(shared.items())]
    return _MADE + _COMMANDS + "\n".join(told) + "\n" + "".join(_command(*each) for each in found)


def _walk(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below a group, in order."""
    for name in group.list_commands(context):
        # `segue` imports a command only when it is called, and until then has a stand-in for it.
        _, command, _ = group.resolve_command(context, [name])
        if command is None:
            raise LookupError(name)
        inner = click.Context(command, info_name=name, parent=context)
        yield command, inner
        if isinstance(command, click.Group):
            yield from _walk(command, inner)


def _names(context: click.Context) -> dict[str, click.Option]:
    """The options of a command by the name of their parameter."""
    return {each.name: each for each in context.command.params if isinstance(each, click.Option) and each.name}


def _command(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {context.command_path}", f"```text\n{context.command_path} {usage}\n```", _help(command)]
    options = _names(context)
    parts.append("\n".join(_option(each, context) for name, each in options.items() if name not in _SHARED))
    if shared := [f"`{options[name].opts[0]}`" for name in _SHARED if name in options]:
        parts.append(f"[Shared options](#shared-options): {', '.join(shared)}.")
    parts.append(_examples(command.epilog or ""))
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def _help(command: click.Command) -> str:
    paragraphs = (command.help or command.short_help or "").split("\n\n")
    return "\n\n".join(_prose(" ".join(text.split())) for text in paragraphs)


def _option(option: click.Option, context: click.Context) -> str:
    """An option as a member of a list: its names, what it does, and what it is where it is not given."""
    extra = option.get_help_extra(context)
    facts = [f"Default: `{extra['default']}`." if "default" in extra else ""]
    facts += [f"Allowed: `{extra['range']}`." if "range" in extra else ""]
    facts += [f"Environment variable: `{name}`." for name in extra.get("envvars", ())]
    # Without the extras, which are told above.
    plain = click.Option(option.opts, type=option.type, metavar=option.metavar, is_flag=option.is_flag)
    names = (plain.get_help_record(context) or ("", ""))[0]
    return " ".join([f"- `{names}`: {_prose(option.help or '')}", *filter(None, facts)])


def _prose(text: str) -> str:
    """Text for terminals as Markdown: what would be read as markup is shown as it is."""
    for character in r"\*_<[":
        text = text.replace(character, "\\" + character)
    return text


def _examples(epilog: str) -> str:
    """The commands of `Example: …`, as a block to copy."""
    text = epilog.replace("\b\n", "").removeprefix("Example:").strip("\n")
    lines = [line.removeprefix("  ") for line in text.splitlines()]
    return f"```sh\n{chr(10).join(lines).strip()}\n```" if lines else ""


_METRICS: Final = """\
# Metrics

What `segue metrics` prints and the dashboard's `/metrics` serves, in Prometheus's text format. Every number is kept in
Redis, so it covers all processes and survives their restarts; counters count over all time. Each metric
has the label `destination`, except those of the whole installation.

| metric | kind | unit | further labels | meaning | in `segue status --json` |
|---|---|---|---|---|---|
"""


def metrics() -> str:
    """The text of `metrics.md`."""
    return _MADE + _METRICS + "".join(map(_metric_row, METRICS))


def _metric_row(metric: Metric) -> str:
    labels, fields = (", ".join(f"`{name}`" for name in names) for names in (metric.labels, _status_fields(metric)))
    labels += " (of the installation)" * metric.everywhere
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels.strip()} | {metric.meaning} | {fields} |\n"


def _status_fields(metric: Metric) -> list[str]:
    if metric.status:
        return [metric.status]
    return [COUNTED_AS[name] for name in metric.counters.values() if name in COUNTED_AS]


PAGES: Final = {"configuration.md": configuration, "commands.md": commands, "metrics.md": metrics}
"""Page → what makes its text."""


def main() -> None:
    """Write every page."""
    for name, make in PAGES.items():
        (_HERE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()

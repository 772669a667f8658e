"""`segue import`: turn a destination exported from Segment into a configuration."""

from contextlib import suppress
from pathlib import Path

import click

from segue_worker.cli.event_input import reading
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.output import print_findings, remark
from segue_worker.config import inspect_config
from segue_worker.printable import counted
from segue_worker.segment_import import Conversion, Export, ExportError, convert, read_export, write_config

_MAX_BYTES = 50_000_000
_EXAMPLE = """\b
Example:
  curl "https://api.segmentapis.com/destinations/$ID/subscriptions?pagination.count=200" > subscriptions.json \\
       -H "Authorization: Bearer $TOKEN" -H "Accept: application/vnd.segment.v1alpha+json"
  curl "https://api.segmentapis.com/destination/$ID/filters?pagination.count=200" > filters.json \\
       -H "Authorization: Bearer $TOKEN" -H "Accept: application/vnd.segment.v1alpha+json"
  segue import subscriptions.json filters.json --output segue.yaml
  segue import main.tf
  terraform show -json | segue import -
"""


@click.command("import", epilog=_EXAMPLE, short_help="Turn a destination exported from Segment into a configuration.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to this file instead of to stdout; an existing file is not overwritten.",
)
@click.argument(
    "files",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    nargs=-1,
    required=True,
    metavar="FILE...",
)
def import_(files: tuple[str, ...], output: Path | None) -> None:
    """Turn Loops destinations that were exported from Segment into a configuration.

    FILE is an answer of Segment's Public API, the output of `terraform show -json`, or a .tf file with
    segment_destination_subscription resources. Of the Public API, "list subscriptions from destination" is needed, and
    "get destination" adds the name and state; several files count as one export. API keys are not taken over: the
    configuration names a variable in their place.

    Destination filters that drop events ("list filters from destination") become part of the triggers. Filters that
    remove properties or take samples, and insert functions, are not carried over: their destination is written as not
    enabled, so that nothing is sent that Segment withholds.

    Exits with 0 if everything was carried over; with 1 if something could not be: it is named on stderr, and stands in
    the configuration as a comment; with 2 if a file is not an export.
    """
    if output is not None and output.exists():
        raise UsageFailure(f"{output} exists: choose another --output, or move it away")
    export = Export()
    for file in files:
        try:
            read_export(_content(file).decode("utf-8"), export)
        except UnicodeDecodeError:
            raise UsageFailure(f"{file}: not valid UTF-8: save the file as UTF-8") from None
        except ExportError as error:
            raise UsageFailure(f"{file}: {error}") from None
    conversion = convert(export)
    for problem in conversion.problems:
        remark(problem)
    if not conversion.destinations:
        raise UsageFailure("no Loops destination found: export its subscriptions, see segue import --help")
    text = write_config(conversion)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write_whole(output, text)
    for destination in conversion.destinations:
        carried = sum(mapping.carried for mapping in destination.mappings)
        remark(
            f"{destination.name}: {carried} of {counted(len(destination.mappings), 'mapping')} carried over; "
            f"put the API key into {destination.variable}"
        )
    if conversion.problems or (output is not None and not _is_sound(output, conversion)):
        raise click.exceptions.Exit(1)


def _write_whole(output: Path, text: str) -> None:
    """Write a file that is not there yet, all of it or none: half a configuration would bar the way of the next attempt."""
    part = output.with_name(f"{output.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(output)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise OSError(error.errno, error.strerror, str(output)) from None


def _content(file: str) -> bytes:
    with reading(file), click.open_file(file, "rb") as opened:
        content: bytes = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise UsageFailure(f"{file}: larger than {_MAX_BYTES // 1_000_000} MB, more than any export")
    return content


def _is_sound(output: Path, conversion: Conversion) -> bool:
    """Whether a worker would accept what was written. Prints problems as `segue check` does."""
    inspection = inspect_config(output, {destination.variable: "unset" for destination in conversion.destinations})
    print_findings(inspection)
    return inspection.config is not None

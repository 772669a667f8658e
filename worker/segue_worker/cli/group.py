"""A command group that imports a command only when it is called, and turns errors into messages and exit codes."""

from collections.abc import Mapping
from importlib import import_module
from typing import IO, Any

import click

from segue_producer.errors import AddressError
from segue_worker.cli.fitting import fitted, terminal_width
from segue_worker.errors import ConfigError, SegueError
from segue_worker.extras import not_installed
from segue_worker.printable import visible_lines


class CommandFailure(click.ClickException):
    """Ends a command with a message on stderr and exit code 1: something failed."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(fitted(visible_lines(self.message), terminal_width(err=True)), file=file, err=file is None)


class UsageFailure(CommandFailure):
    """Ends a command with a message on stderr and exit code 2: bad usage, or a configuration with problems."""

    exit_code = 2


class CommandGroup(click.Group):
    """A group whose commands are given by name, help text and `module:attribute`, and imported when called."""

    def __init__(
        self, *, commands_in: Mapping[str, tuple[str, str]], extras: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        """Make the group.

        Args:
            commands_in: name → (`module:attribute` of the command, its line in `--help`).
            extras: name → the extras the command needs, as between brackets; `worker` for those not named.
            settings: what `click.Group` takes.
        """
        listed = {name: click.Command(name, short_help=text) for name, (_, text) in commands_in.items()}
        super().__init__(commands=listed, **settings)
        self._places = {name: place for name, (place, _) in commands_in.items()}
        self._extras = dict(extras or {})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the command that is called."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self._places:
            # As click does a moment later: `invoke` is to know whose import failed.
            ctx.invoked_subcommand = name
            module, _, attribute = self._places[name].partition(":")
            command = getattr(import_module(module), attribute)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that Segue raises on purpose, or a missing extra, becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise UsageFailure(str(error)) from error
        except AddressError as error:
            raise UsageFailure(str(error)) from None
        except SegueError as error:
            raise CommandFailure(str(error)) from error
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                # Whoever reads what is printed has seen enough, as `head`.
                raise
            raise CommandFailure(_said(error)) from None
        except ModuleNotFoundError as missing:
            raise UsageFailure(
                not_installed(missing, self._extras.get(ctx.invoked_subcommand or "", "worker"))
            ) from missing


def _said(error: OSError) -> str:
    """What the system refused: reading a file, printing to a disk that is full, a connection."""
    what = f"{error.filename}: " if error.filename else "The command could not read or print: "
    return f"{what}{error.strerror or type(error).__name__}. Correct that, then give the command again"

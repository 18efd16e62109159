"""`toolkit`: finds the command; errors become one message and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from toolkit.cli import COMMANDS, plugin_commands
from toolkit.errors import NEVER_RUN, ToolkitError, UserError
from toolkit.runner import mailbox
from toolkit.utils import distributed, garbage
from toolkit.utils.packages import __version__
from toolkit.utils.text import MaskedStream, nearest, printable, printable_line

INTERRUPTED = 130
LONGEST = 2000  # characters of one fault: a value may be as long as its file


class Commands(click.Group):
    """Imports the module of a command only when that command, or its help, is requested.

    Commands of other packages are listed without imports, so that none can break the others.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in COMMANDS:
            there = cmd_name in plugin_commands.names()
            return plugin_commands.get(cmd_name) if there else None
        found: click.Command = importlib.import_module(f"toolkit.cli.{cmd_name}_command").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the requested command; for an unknown one suggest the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            others = plugin_commands.names()
            if name not in others:
                hint = _nearest(name, others)
                raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; click would print an empty line of its own when it is interrupted.

        Of several ranks none may print anything then but by `mailbox.speaks`.
        """
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, EOFError) as error:
            raise click.Abort from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the toolkit's commands, and below them those of other packages."""
        super().format_commands(ctx, formatter)
        others = plugin_commands.lines()
        if others:
            with formatter.section("Commands of installed packages"):
                formatter.write_dl(
                    [(printable_line(name), printable_line(by)) for name, by in others]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands of other packages, too, without importing them."""
        found = super().shell_complete(ctx, incomplete)
        others = [] if incomplete.startswith("-") else plugin_commands.names()
        return [*found, *(CompletionItem(n) for n in others if n.startswith(incomplete))]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show tracebacks and the log messages of libraries.")
@click.version_option(__version__, message="%(version)s")
def cli(debug: bool) -> None:
    """Fine-tune a pretrained model for your scenario, and see how good it is.

    \b
    toolkit run text-classification                      the included example
    toolkit run text-classification --data tickets.csv --set options.text=message \\
                                                         --set options.label=team
    """
    if debug:
        os.environ["TOOLKIT_DEBUG"] = "1"


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A label that the terminal cannot encode must not fail a finished run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if "--debug" in sys.argv or os.environ.get("TOOLKIT_DEBUG"):  # which ranks inherit
        sys.stderr = MaskedStream(sys.stderr)
    code = outcome()
    if code and distributed.launched():
        # Threads of gloo that still wait for other ranks would abort the interpreter's own exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    garbage.keep_to_the_end()
    sys.exit(code)


def outcome(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one message on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="toolkit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            error = _no_such_option(error)
        error.message = _cut(printable(error.message))  # type: ignore[misc]  # click's, final
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # of a library: click takes it for Ctrl-D
            return _failed(error.__cause__, "--debug" in given)
        if mailbox.speaks(error):
            said = str(error.__cause__ or error)  # `Commands.invoke` puts Abort around it
            if sys.stderr.isatty():
                click.echo(err=True)  # below the terminal's ^C
            click.echo(printable(f"interrupted: {said}" if said else "interrupted"), err=True)
        return INTERRUPTED
    except Exception as error:
        return _failed(error, "--debug" in given)


def _no_such_option(error: click.NoSuchOption) -> click.UsageError:
    """Return what to write instead, as far as that is known."""
    from toolkit.cli import setting_keys

    if "trust" in error.option_name:
        return click.UsageError(f"{error.option_name}: {NEVER_RUN}", error.ctx)
    options = (
        [name for known in error.ctx.command.params for name in known.opts] if error.ctx else []
    )
    hint = setting_keys.advice(error.option_name) if "--method" in options else ""  # of a recipe
    return click.UsageError(f"{error.message}{hint}", error.ctx) if hint else error


def _failed(error: Exception, debug: bool) -> int:
    if debug:
        click.echo(printable("".join(traceback.format_exception(error))), err=True)
    if mailbox.speaks(error):
        click.echo(message(error, debug), err=True)
    return error.exit_code if isinstance(error, ToolkitError) else 1


def message(error: Exception, debug: bool = False) -> str:
    """Return the message of an error; several faults are one per line."""
    if not isinstance(error, ToolkitError):  # a bug here or in a library
        text = _cut(printable(f"Failed: {type(error).__name__}: {str(error) or repr(error)}"))
        return text if debug else f"{text}\n(toolkit --debug ... shows where)"
    if isinstance(error, UserError) and len(error.faults) > 1:
        lines = "\n".join(f"  {_cut(printable(fault))}" for fault in error.faults)
        return f"Error: {len(error.faults)} things are wrong:\n{lines}"
    kind = "Error" if isinstance(error, UserError) else "Failed"
    return f"{kind}: {_cut(printable(error))}"


def _cut(text: str) -> str:
    text = re.sub(r"\S{300,}", lambda word: f"{word[0][:120]}...{word[0][-40:]}", text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def _nearest(word: str, others: Sequence[str]) -> str:
    """Return a suggestion for an unknown command: a known or another package's one, or a recipe."""
    from toolkit.recipe import library

    close = nearest(word, [*COMMANDS, *others])
    if close:
        return close
    recipe = word.lower().endswith(library.SUFFIXES) or word in [r.name for r in library.recipes()]
    return f" Did you mean toolkit run {word}?" if recipe else ""

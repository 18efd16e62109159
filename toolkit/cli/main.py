"""`toolkit`: finds the command, and turns errors into one message and an exit code."""

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

from toolkit.cli.names import COMMANDS
from toolkit.errors import NEVER_RUN, ToolkitError, UserError
from toolkit.runner import mailbox
from toolkit.utils.text import printable, printable_line

INTERRUPTED = 130
LONGEST = 2000  # characters of one fault: a value may be as long as its file


class Commands(click.Group):
    """Imports a command's file only when that command is asked for (or its help).

    Those of other packages are listed without being imported, so that none can disturb the others.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in COMMANDS:
            from toolkit.cli import plugin_commands

            there = cmd_name in plugin_commands.names(COMMANDS)
            return plugin_commands.get(cmd_name) if there else None
        found: click.Command = importlib.import_module(f"toolkit.cli.{cmd_name}_command").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for, or say which may be meant."""
        from toolkit.cli import plugin_commands

        if args[0] not in COMMANDS and not args[0].startswith("-"):
            others = plugin_commands.names(COMMANDS)
            if args[0] not in others:
                hint = _nearest(args[0], others)
                raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the toolkit's commands, and below them those of other packages."""
        from toolkit.cli import plugin_commands

        super().format_commands(ctx, formatter)
        others = plugin_commands.lines(COMMANDS)
        if others:
            with formatter.section("Commands of installed packages"):
                formatter.write_dl(
                    [(printable_line(name), printable_line(by)) for name, by in others]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands of other packages, too, without importing them."""
        from toolkit.cli import plugin_commands

        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            return found
        others = plugin_commands.names(COMMANDS)
        return [*found, *(CompletionItem(n) for n in others if n.startswith(incomplete))]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=False,
)
@click.option("--debug", is_flag=True, help="Show tracebacks, and what the libraries say.")
@click.version_option(package_name="toolkit", message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Fine-tune a pretrained model for your scenario, and see what it is worth.

    \b
    toolkit run text-classification                      the embedded example
    toolkit run text-classification --data tickets.csv --set options.text=message \\
                                                         --set options.label=team
    """
    ctx.obj = {"debug": debug}
    if debug:
        os.environ["TOOLKIT_DEBUG"] = "1"


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A label that the terminal has no letters for must not end a run that is finished.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(outcome())


def outcome(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors become one message on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="toolkit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and "trust" in error.option_name:
            error = click.UsageError(f"{error.option_name}: {NEVER_RUN}", error.ctx)
        error.message = _cut(printable(error.message))  # type: ignore[misc]  # click's, final
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        if mailbox.speaks(error):
            said = str(error.__cause__ or error)  # click puts its own Abort around it
            click.echo(printable(f"interrupted: {said}" if said else "interrupted"), err=True)
        return INTERRUPTED
    except ToolkitError as error:
        if "--debug" in given:
            traceback.print_exc()
        if mailbox.speaks(error):
            click.echo(message(error), err=True)
        return error.exit_code
    except Exception as error:  # a fault of ours or of a library: named, with the way to see more
        if "--debug" in given:
            traceback.print_exc()
        text = str(error) or repr(error)
        hint = "" if "--debug" in given else "\n(toolkit --debug ... shows where)"
        if mailbox.speaks(error):
            click.echo(_cut(printable(f"Failed: {type(error).__name__}: {text}")) + hint, err=True)
        return 1


def message(error: ToolkitError) -> str:
    """Return the one message of an error; several faults stand one to a line."""
    if isinstance(error, UserError) and len(error.faults) > 1:
        lines = "\n".join(f"  {_cut(printable(fault))}" for fault in error.faults)
        return f"Error: {len(error.faults)} things are wrong:\n{lines}"
    kind = "Error" if isinstance(error, UserError) else "Failed"
    return f"{kind}: {_cut(printable(error))}"


def _cut(text: str) -> str:
    text = re.sub(r"\S{300,}", lambda word: f"{word[0][:120]}...{word[0][-40:]}", text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


def _nearest(word: str, others: Sequence[str]) -> str:
    """Return what may be meant by a word that is no command: another one, or a recipe to run.

    Args:
        others: the commands of other packages.
    """
    from toolkit.recipe import library
    from toolkit.utils.text import nearest

    close = nearest(word, [*COMMANDS, *others])
    if close:
        return close
    recipe = word.lower().endswith(library.SUFFIXES) or word in [r.name for r in library.recipes()]
    return f" Did you mean toolkit run {word}?" if recipe else ""


if __name__ == "__main__":
    main()

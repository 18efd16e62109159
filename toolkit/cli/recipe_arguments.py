"""The RECIPE argument of commands, its completion, and the options that change a recipe."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from toolkit.cli.setting_keys import complete_setting
from toolkit.utils import offline

if TYPE_CHECKING:
    from toolkit.recipe.draft import Draft


def complete_recipe(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the recipes whose names have this prefix; paths are left to the shell."""
    from toolkit.recipe import library

    names = [item.name for item in library.recipes() if item.name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem("", type="file")]


def complete_run(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the folders of runs with this prefix, below runs/ and beside what is typed so far."""
    from toolkit.runs.folder import HOME

    name, equals, typed = incomplete.rpartition("=")  # `serve` takes NAME=RUN
    beside = Path(typed or ".").parent if not typed.endswith("/") else Path(typed)
    found = {*HOME.glob("**/run.json"), *beside.glob("*/run.json")}
    runs = sorted(str(file.parent) for file in found if str(file.parent).startswith(typed))
    items = [CompletionItem(f"{name}{equals}{run}") for run in runs]
    return items or [CompletionItem(incomplete, type="dir")]


def complete_method(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the methods whose names have this prefix."""
    from toolkit.models import methods

    return [name for name in methods.METHODS if name.startswith(incomplete)]


@dataclass(frozen=True)
class RecipeChoice:
    """A recipe as given on the command line, with the options that change it."""

    recipe: str
    data: str | None = None
    model: str | None = None
    method: str | None = None
    settings: tuple[str, ...] = ()
    seed: int | None = None

    def draft(self) -> Draft:
        """Return the recipe with its overrides, not checked yet.

        Raises:
            RecipeError: no such recipe, or malformed options.
        """
        from toolkit.recipe.library import find_recipe
        from toolkit.recipe.overrides import overrides

        changes = overrides(self.data, self.model, self.method, self.settings, self.seed)
        return find_recipe(self.recipe, changes)

    def shell_words(self) -> str:
        """Return the recipe and its options as a shell takes them."""
        named = {"--data": self.data, "--model": self.model, "--method": self.method}
        options = [(name, value) for name, value in named.items() if value is not None]
        options += [("--seed", str(self.seed))] if self.seed is not None else []
        options += [("--set", text) for text in self.settings]
        return shlex.join([self.recipe, *(part for option in options for part in option)])


recipe_argument = click.argument("recipe", shell_complete=complete_recipe)

OPTIONS = (
    # Paths for the shell's completion only; the commands report what is wrong with them.
    click.option("--data", type=click.Path(), metavar="PATH",
                 help="Your data: a file, a folder or hub:OWNER/NAME."),
    click.option("--model", type=click.Path(), metavar="ID",
                 help="Hub id or folder of a pretrained model."),
    click.option("--method", shell_complete=complete_method, metavar="NAME",
                 help="Fine-tuning method: full, head, lora, ..."),
    click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
                 shell_complete=complete_setting,
                 help="Any key of the recipe, for example training.num_train_epochs=2; "
                 "repeatable."),
    click.option("--seed", type=int, metavar="N", help="Random seed."),
)  # fmt: skip


def _go_offline(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked:
        offline.go()


offline_option = click.option("--offline", is_flag=True, callback=_go_offline, expose_value=False,
                              help="Do not contact the Hub.")  # fmt: skip


def takes_recipe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add a recipe and the options that change it; the command gets them as its first argument."""

    @functools.wraps(function)
    def command(recipe: str, **given: Any) -> Any:
        names = ("data", "model", "method", "settings", "seed")
        choice = RecipeChoice(recipe, **{name: given.pop(name) for name in names})
        return function(choice, **given)

    for option in reversed(OPTIONS):
        command = option(command)
    return recipe_argument(command)

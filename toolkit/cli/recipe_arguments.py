"""What commands that take a recipe share: the argument, its completion, the overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


class RecipeName(click.ParamType[str]):
    """A recipe's name, or the path of its file; completes both."""

    name = "recipe"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so, and leave paths to the shell."""
        from toolkit.recipe import library

        names = [item.name for item in library.recipes() if item.name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem("", type="file")]


class MethodName(click.ParamType[str]):
    """The name of a method; completes it."""

    name = "method"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so."""
        from toolkit.models import methods

        return [CompletionItem(name) for name in methods.NAMES if name.startswith(incomplete)]


recipe_argument = click.argument("recipe", type=RecipeName())


def recipe_options(function: F) -> F:
    """Add the options that change a recipe from the command line."""
    for option in reversed(
        (
            # Paths for the shell's completion only: what is wrong with them the commands say.
            click.option("--data", type=click.Path(), metavar="PATH",
                         help="File or folder to take the rows from."),
            click.option("--model", type=click.Path(), metavar="ID",
                         help="Hub id or folder of a pretrained model."),
            click.option("--method", type=MethodName(), metavar="NAME",
                         help="What is trained: full, head, lora, ..."),
            click.option(
                "--set", "settings", metavar="KEY=VALUE", multiple=True,
                help="Any key of the recipe, for example training.num_train_epochs=2; repeatable.",
            ),
            click.option("--seed", type=int, metavar="N", help="Seed of everything random."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def spelled(
    recipe: str,
    data: str | None,
    model: str | None,
    method: str | None,
    settings: tuple[str, ...],
    seed: int | None,
) -> str:
    """Return a recipe and the options that change it as a shell takes them."""
    import shlex

    named = {"--data": data, "--model": model, "--method": method, "--seed": seed}
    options = [(name, str(value)) for name, value in named.items() if value is not None]
    options += [("--set", text) for text in settings]
    return shlex.join([recipe, *(part for option in options for part in option)])

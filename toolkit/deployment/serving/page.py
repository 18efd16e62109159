"""The page on which a person tries the models, and the one that describes the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.reporting.display import headline

if TYPE_CHECKING:
    from jinja2 import Environment

    from toolkit.deployment.serving.model import Served

HERE = Path(__file__).parent
STYLE = HERE.parents[1] / "reporting" / "html" / "style.css"


def try_it(models: Sequence[Served]) -> str:
    """Return the page with a form for each model."""
    return _environment().get_template("try.html.jinja").render(
        models=models, headline={model.name: headline(model.run.record) for model in models}
    )  # fmt: skip


def api(models: Sequence[Served], document: Mapping[str, Any]) -> str:
    """Return the page of the API: how to ask, with a row of the scenario, and every answer."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    answers = {
        status: answer["description"]
        for _, _, operation in operations
        for status, answer in operation["responses"].items()
        if status != "200"
    }
    return _environment().get_template("api.html.jinja").render(
        paths=[(method, path, found["summary"]) for method, path, found in operations],
        answers=dict(sorted(answers.items())),
        examples={m.name: json.dumps(m.fields.example, indent=2) for m in models},
        first=models[0].name,
    )  # fmt: skip


def asset(name: str) -> str:
    """Return a script, or the style: the report's, and what forms need beside it."""
    text = (HERE / name).read_text(encoding="utf-8")
    return STYLE.read_text(encoding="utf-8") + text if name.endswith(".css") else text


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip

"""The page with a form for each model, and the page that documents the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.reporting.display import headline

if TYPE_CHECKING:
    from toolkit.deployment.serving.model import Served

HERE = Path(__file__).parent
STYLE = HERE.parents[1] / "reporting" / "html" / "style.css"


def try_it(models: Sequence[Served]) -> str:
    """Return the page with a form for each model."""
    scores = {model.name: headline(model.run.record) for model in models}
    return _render("try.html.jinja", models=models, headline=scores)


def api(models: Sequence[Served], document: Mapping[str, Any]) -> str:
    """Return the page of the API: paths, an example row of each model, and error codes."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    errors = {
        status: response["description"]
        for _, _, operation in operations
        for status, response in operation["responses"].items()
        if status != "200"
    }
    return _render(
        "api.html.jinja",
        paths=[(method, path, found["summary"]) for method, path, found in operations],
        errors=dict(sorted(errors.items())),
        examples={m.name: json.dumps(m.fields.example, indent=2) for m in models},
        first=models[0].name,
    )


def asset(name: str) -> str:
    """Return a script or style sheet; the style includes the report's."""
    text = (HERE / name).read_text(encoding="utf-8")
    return STYLE.read_text(encoding="utf-8") + text if name.endswith(".css") else text


def _render(name: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return made.get_template(name).render(**values)

"""The page with a form for each model, and the page that documents the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from toolkit.reporting.display import headline

if TYPE_CHECKING:
    from toolkit.deployment.serving.model import Served

HERE = Path(__file__).parent
ADDRESS = "http://HOST:PORT"  # in the page on the API; each request knows the real one
STYLE = HERE.parents[1] / "reporting" / "html" / "style.css"


def page(name: str, models: Sequence[Served], document: Mapping[str, Any]) -> str:
    """Return a page: "try" has a form for each model, "api" shows paths, rows and error codes."""
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return made.get_template(f"{name}.html.jinja").render(
        models=models,
        headline={model.name: headline(model.run.record) for model in models},
        examples={model.name: json.dumps(model.fields.example, indent=2) for model in models},
        paths=document["paths"],
        address=ADDRESS,
    )


def asset(name: str) -> str:
    """Return a script or style sheet; the style includes the report's."""
    text = (HERE / name).read_text(encoding="utf-8")
    return STYLE.read_text(encoding="utf-8") + text if name.endswith(".css") else text

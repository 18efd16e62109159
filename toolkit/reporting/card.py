"""The model card: README.md with its metrics in the Hub's metadata format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.reporting.card_limits import limits
from toolkit.reporting.formatting import score, words
from toolkit.reporting.templates import environment
from toolkit.reporting.terminal import run_facts, score_rows, units
from toolkit.reporting.verdicts import verdict
from toolkit.runs.record import Card
from toolkit.utils.files import write_atomically
from toolkit.utils.text import listing, printable, printable_line

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

    from toolkit.runs.writer import RunWriter


FILE = "README.md"


def write(folder: RunWriter) -> None:
    """Write README.md of a run beside the model's folder, and the same into it."""
    text = card(folder.record)
    write_atomically(folder.path / FILE, text)
    write_atomically(folder.path / "model" / FILE, text)


def card(record: Mapping[str, Any], merged: bool = False) -> str:
    """Return the card of a run as Markdown with YAML metadata.

    Args:
        merged: of a run with adapters, describe the model that they have been merged into.
    """
    adapter = None if merged else record.get("adapter")
    return f"---\n{metadata(record, bool(adapter)).to_yaml()}\n---\n\n{body(record, adapter)}\n"


def body(record: Mapping[str, Any], adapter: Mapping[str, Any] | None) -> str:
    """Return the card without its metadata; `adapter` as run.json has it."""
    made = environment(Path(__file__).parent, escaped=False)  # `md` escapes what is not ours
    made.filters.update(md=plain_markdown, code=_code, plain=printable, score=score,
                        listing=listing)  # fmt: skip
    about = Card.model_validate(record.get("card") or {})
    slices = [
        (f"{column} = {value} ({scores['rows']} rows)", scores)
        for column, values in record["slices"].items() for value, scores in values.items()
    ]  # fmt: skip
    names, said = list(record["metrics"]["test"]), verdict(record)
    rows = [(label, [scores[name] for name in names])
            for label, scores in [*score_rows(record), *slices]]  # fmt: skip
    return made.get_template("card.md.jinja").render(
        record=record, card=about, adapter=adapter, names=list(map(words, names)), rows=rows,
        usage=adapter["usage"] if adapter else about.usage, facts=run_facts(record),
        units=units(record), verdict=said,
        limits=[text for text in limits(record) if f"{text}.".casefold() != said.casefold()],
    )  # fmt: skip


def metadata(record: Mapping[str, Any], adapter: bool) -> ModelCardData:
    """Return the card's metadata as the Hub defines it.

    What is not known is left out, but for the licence, which is "unknown" then. A model from a
    folder has no id on the Hub, and data that is not of the Hub none there.
    """
    from huggingface_hub import ModelCardData

    about = Card.model_validate(record.get("card") or {})
    model, base = record["model"], about.base
    loads = about.usage or record.get("adapter")  # by transformers alone
    of_hub = model["source"] in ("cache", "hub", "mirror")
    relation = "adapter" if adapter else "finetune"
    data = _hub_dataset(record)
    method = (record.get("method") or {}).get("name")
    return ModelCardData(
        base_model=printable_line(model["id"]) if of_hub else None,
        base_model_relation=relation if of_hub else None,
        license=base.license or "unknown",
        license_name=base.license_name,
        license_link=base.license_link,
        language=base.languages or None,
        library_name="peft" if adapter else "transformers" if loads else None,
        pipeline_tag=about.task,
        datasets=[data["dataset_type"]] if data else None,
        metrics=[printable_line(name) for name in record["metrics"]["test"]],
        model_name=printable_line(record["recipe"]),
        eval_results=list(_results(record, data)) or None,
        tags=["toolkit", record["scenario"], *([method] if method else [])],
    )


def _hub_dataset(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return id, config and revision of data that comes from the Hub; {} of any other."""
    from toolkit.data.reader import HUB

    source = record["data"].get("source")
    found = HUB.fullmatch(source) if isinstance(source, str) else None
    if found is None:
        return {}
    keys = {"name": "dataset_type", "config": "dataset_config", "rev": "dataset_revision"}
    return {keys[k]: printable_line(v) for k, v in found.groupdict().items() if v is not None}


def _results(record: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    name_of_data = data.get("dataset_type", printable_line(record["recipe"]))
    for name, found in record["metrics"]["test"].items():
        if found["value"] is None or found["value"] != found["value"]:
            continue
        low, high = found.get("low"), found.get("high")
        between = "" if low is None else f" (95% interval {low:.3f} to {high:.3f})"
        yield EvalResult(
            task_type=record["scenario"],
            metric_type=printable_line(name),
            metric_value=round(found["value"], 6),
            metric_name=f"{words(printable_line(name))}{between}",
            dataset_split="test",
            **{"dataset_type": "local", "dataset_name": name_of_data, **data},
        )


def plain_markdown(text: str) -> str:
    """Return outside text so that Markdown and HTML in it stay text, in one line."""
    return re.sub(r"[\\`*_~\[\]|#]", r"\\\g<0>", escape(printable_line(text), quote=False))


def _code(text: str) -> str:
    """Return a name as code, unless it holds what a reader of Markdown might obey."""
    return plain_markdown(text) if set("`<|") & set(text) else f"`{printable_line(text)}`"

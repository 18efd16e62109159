"""An export compared with the run's model: same test rows, decoding and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from timeit import timeit
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, UserError
from toolkit.runs.folder import Run
from toolkit.runs.onnx_model import FILE, OnnxModel
from toolkit.runs.predictor import Predictor, recipe_of

if TYPE_CHECKING:
    import datasets

SPEED_ROWS = 512
ROUNDS = 3


def summary(facts: Mapping[str, Any]) -> str:
    """Return sizes, speed and scores in a few lines."""
    lines = [f"{facts['compared']:,} test rows"]
    for name, both in facts["scores"].items():
        run, export = both["run"], both["export"]
        lines.append(f"{name} {export:.4f}, the run's model {run:.4f} ({export - run:+.4f})")
    run, export = (facts["bytes"][name] / 1e6 for name in ("run", "export"))
    lines.append(f"{export:,.1f} MB, the run's model {run:,.1f} MB")
    lines.append(f"{facts['speedup']:.2f}x the speed of torch on this machine")
    return "\n".join(lines)


def compare_export(
    run: Run, restored: Predictor, rows: datasets.Dataset, folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """Predict the run's test split with an export.

    Return facts for export.json, and rows that the export predicts differently.

    Args:
        restored: the run's plugin, with the model in torch that was exported.
        rows: the test split.
        folder: of the export.
    """
    from toolkit.evaluation import run_metrics
    from toolkit.evaluation.scoring import score
    from toolkit.runs import changed_answers, verify

    plugin = restored.plugin
    exported = OnnxModel(folder)
    saved, references = map(list, zip(*changed_answers.rows(run), strict=True))
    made = Predictor(plugin.with_(model=exported)).predictions(rows)
    compared = verify.compare(plugin, saved, made)
    before, after = (score(run_metrics.modules(plugin), [(p, references)]) for p in (saved, made))
    scores = {name: {"run": before[name]["value"], "export": after[name]["value"]}
              for name in before}  # fmt: skip
    slower, faster = _seconds(restored, exported, plugin.prepare(rows, "test"))
    files = {"run": (run.path / "model").glob("*.safetensors"), "export": folder.glob(f"{FILE}*")}
    sizes = {name: sum(file.stat().st_size for file in found) for name, found in files.items()}
    facts = {"compared": compared.compared, "different": compared.different, "scores": scores,
             "speedup": slower / faster, "bytes": sizes}  # fmt: skip
    return facts, compared.examples


def rows_of(run: Run, restored: Predictor) -> datasets.DatasetDict:
    """Return the splits of a run, read again by the recipe in its folder.

    Raises:
        UserError: they are no longer available, or have changed.
    """
    from toolkit.runner.prepare import load_rows

    loaded = load_rows(recipe_of(run.path), restored.plugin)
    before = run.record["data"]["fingerprint"]
    if loaded.fingerprint != before:
        what = f"its rows have changed (fingerprint {loaded.fingerprint}, was {before})"
        raise UserError(
            Fault("data.source", f"{what}: an export is verified on the same test rows")
        )
    return loaded.splits


def _seconds(
    restored: Predictor, exported: OnnxModel, prepared: datasets.Dataset
) -> tuple[float, float]:
    """Return the time that the same batches take in torch and in the export."""
    import torch

    from toolkit.evaluation.batches import batch_maker, by_length, records
    from toolkit.evaluation.predicting import evaluating

    plugin = restored.plugin
    rows = range(min(SPEED_ROWS, len(prepared)))
    batches = [records(prepared, one) for one in by_length(prepared, rows, restored.batch_size)]
    pairs = [(model, list(map(batch_maker(plugin, model, False), batches)))
             for model in (plugin.model, exported)]  # fmt: skip
    with evaluating(plugin.model), torch.inference_mode():
        # In turns, so that other load on the machine slows both.
        times = [[timeit(lambda: [plugin.infer(model, one) for one in made], number=1)  # noqa: B023
                  for model, made in pairs] for _ in range(ROUNDS)]  # fmt: skip
    slower, faster = map(min, zip(*times, strict=True))
    return slower, faster

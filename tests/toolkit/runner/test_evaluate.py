"""A finished run scored on new labelled rows."""

from __future__ import annotations

import json
import shutil

import pytest

from toolkit.cli.main import outcome
from toolkit.data.in_memory import source_of
from toolkit.recipe.library import find_recipe
from toolkit.runner.evaluate import evaluate
from toolkit.runner.prepare import load_rows
from toolkit.runner.resolve import resolve_recipe
from toolkit.runs import verify
from toolkit.runs.folder import Run, read_predictions
from toolkit.runs.predictor import plugin_of


def own_splits(run):
    recipe, plugin = resolve_recipe(find_recipe(str(run.path / "recipe.yaml")))
    return load_rows(recipe, plugin).splits


def predicted(run):
    return [found for batch, _ in read_predictions(run.path / "predictions.jsonl")
            for found in batch]  # fmt: skip


def numbers(found, *above):
    """Key path -> number, of all numbers in nested mappings."""
    if isinstance(found, dict):
        return {path: value for key, inner in found.items()
                for path, value in numbers(inner, *above, key).items()}  # fmt: skip
    return {above: found} if isinstance(found, int | float) else {}


@pytest.fixture
def copied(finished, tmp_path):
    """A run's folder that may be written to."""

    def copy(scenario):
        return Run(shutil.copytree(finished(scenario).path, tmp_path / "run"))

    return copy


@pytest.mark.parametrize(
    "scenario", ["text-classification", "question-answering", "image-classification"]
)
def test_its_own_test_rows_give_what_the_run_gave(copied, scenario, tmp_path):
    run = copied(scenario)
    source = source_of(own_splits(run)["test"])
    found = evaluate(run, source)
    assert found.status == "finished"
    assert verify.compare(plugin_of(run.path), predicted(run), predicted(found)).different == 0
    assert numbers(found.metrics["test"]) == pytest.approx(numbers(run.metrics["test"]), abs=1e-5)
    assert numbers(found.record["slices"]) == pytest.approx(numbers(run.record["slices"]), abs=1e-5)
    assert not found.record["failed_parts"]
    assert found.record["baselines"].keys() == run.record["baselines"].keys()
    for part in ("baselines", "verdicts"):
        own = pytest.approx(numbers(run.record[part]), abs=1e-5)
        assert numbers(found.record[part]) == own
    assert found.record["data"]["test_digest"] == run.record["data"]["test_digest"]
    assert found.record["figures"].keys() == run.record["figures"].keys()
    assert found.report.is_file()
    assert run.path in found.path.parents


def test_payments_are_scored_as_they_are_predicted(copied, tmp_path):
    run = copied("fraud-detection")
    rows = own_splits(run)["test"].to_pandas()
    columns = [name for name in rows if not name.startswith("__")]
    rows[columns].to_csv(tmp_path / "new.csv", index=False)
    assert outcome(["predict", str(run.path), str(tmp_path / "new.csv"), "--quiet",
                    "-o", str(tmp_path / "out.jsonl")]) == 0  # fmt: skip
    found = evaluate(run, str(tmp_path / "new.csv"))
    given = [json.loads(line)["prediction"]["score"]
             for line in (tmp_path / "out.jsonl").read_text().splitlines()]  # fmt: skip
    assert [one["score"] for one in predicted(found)] == pytest.approx(given, abs=1e-6)
    assert "average_precision" in found.metrics["test"]
    assert found.record["baselines"]
    assert found.record["figures"]
    assert not found.record["failed_parts"]

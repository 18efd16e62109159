"""A recipe with several seeds: the same test rows, mean, spread, and what that is due to."""

import json
import shlex
import shutil
import signal

import numpy as np
import pytest
from text_rows import sentences
from toolkit_plugins.text.classification.plugin import TextClassification

from toolkit.cli.main import outcome
from toolkit.errors import ToolkitError, UserError
from toolkit.evaluation.seed_variance import mean_difference, spread
from toolkit.runs.compare import incomparable
from toolkit.runs.compare_seeds import compare_seeds
from toolkit.runs.seed_folder import SeedRuns
from toolkit.testing.interruptions import killed, undisturbed


def arguments(folder, model):
    path = folder / "rows.csv"
    if not path.exists():
        lines = "".join(f"{text},{label}\n" for text, label in sentences(150))
        path.write_text("text,label\n" + lines)
    return [
        "text-classification", "--quiet", "--data", str(path), "--model", str(model),
        "--set", "training={num_train_epochs: 2, learning_rate: 5.0e-3}",
        "--set", "report.metrics=[accuracy, log_loss, expected_calibration_error]",
        "--set", "data.split.stratify=false",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_model):
    return arguments(tmp_path_factory.mktemp("rows"), tiny_model)


@pytest.fixture(scope="module")
def found(tmp_path_factory, asked):
    """Runs with seeds 7 and 8."""
    out = tmp_path_factory.mktemp("seeds") / "out"
    assert outcome(["run", *asked, "--seed", "7", "--seeds", "2", "--out", str(out)]) == 0
    return SeedRuns(out)


@pytest.fixture
def copy(found, tmp_path):
    return SeedRuns(shutil.copytree(found.path, tmp_path / "out"))


def changed(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_each_seed_is_a_run_of_its_own_on_the_same_rows(found):
    assert [run.record["seed"] for run in found.runs] == [7, 8]
    assert [run.path.name for run in found.runs] == ["seed-7", "seed-8"]
    first, second = found.runs
    assert incomparable(first, second) is None
    assert first.record["data"]["fingerprint"] == second.record["data"]["fingerprint"]
    weights = [(run.path / "model" / "model.safetensors").read_bytes() for run in found.runs]
    assert weights[0] != weights[1]


def test_the_summary_is_that_of_the_runs(found):
    assert found.status == "finished"
    values = [run.metrics["test"]["accuracy"]["value"] for run in found.runs]
    score = found.metrics["accuracy"]
    assert score["values"] == values
    assert score["mean"] == pytest.approx(np.mean(values))
    assert score["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert score["minimum"] == min(values)
    assert score["low"] < score["mean"] < score["high"]
    assert sum(score["shares"].values()) == pytest.approx(1)
    low, high = score["share_ranges"]["seeds"]
    assert 0 <= low <= score["shares"]["seeds"] <= high <= 1
    assert found.metrics["expected_calibration_error"]["low"] is None  # as in each run
    baselines = found.runs[0].record["baselines"]
    assert (
        found.record["baselines"]["majority"]["accuracy"]
        == baselines["majority"]["accuracy"]["value"]
    )
    page = (found.path / "README.md").read_text()
    assert (
        f"[7](seed-7/README.md) | {found.runs[0].metrics['test']['accuracy']['value']:.3f}" in page
    )
    assert f"{score['shares']['seeds']:.0%} ({100 * low:.0f}-{high:.0%})" in page
    assert "the splits are those of seed 7" in page


def test_they_are_listed_as_one(found, capsys):
    assert outcome(["runs", str(found.path.parent)]) == 0
    said = capsys.readouterr().out
    assert said.count("finished") == 1
    assert "2 of 2 seeds, accuracy 0." in said
    assert outcome(["runs", str(found.path)]) == 0
    assert capsys.readouterr().out.count("finished") == 2


def test_recipes_are_compared_over_their_seeds(found, asked, tmp_path, capsys):
    other = tmp_path / "other"
    more = ["--set", "training={num_train_epochs: 4, learning_rate: 5.0e-3}", "--seed", "17",
            "--seeds", "3", "--set", "data.split.seed=7"]  # fmt: skip
    assert outcome(["run", *asked, *more, "--out", str(other)]) == 0
    (got,) = compare_seeds([found.path, other])
    accuracy = got.differences["accuracy"]
    means = [SeedRuns(path).metrics["accuracy"]["mean"] for path in (found.path, other)]
    assert [accuracy.reference, accuracy.value] == pytest.approx(means)
    assert accuracy.low < means[1] - means[0] < accuracy.high
    assert [setting.key for setting in got.settings] == ["training.num_train_epochs"]
    page = tmp_path / "page.html"
    assert outcome(["compare", str(found.path), str(other), "--html", str(page)]) == 0
    assert "Mean scores over seeds on test" in capsys.readouterr().out
    assert "3 seeds" in page.read_text()
    assert compare_seeds([found.path, other], "validation")[0].differences["accuracy"].low

    assert outcome(["compare", str(found.path), str(found.folder_of(7))]) == 2
    assert "holds runs of several seeds, other folders one run" in capsys.readouterr().err
    shutil.rmtree(other / "seed-18")
    shutil.rmtree(other / "seed-19")
    assert outcome(["compare", str(found.path), str(other)]) == 2
    assert "holds 1 finished runs: a mean takes two or more" in capsys.readouterr().err


def test_a_run_that_fails_is_told_and_resuming_does_it_alone(copy, asked, monkeypatch, capsys):
    before = (copy.folder_of(7) / "run.json").read_bytes()
    shutil.rmtree(copy.folder_of(8))
    changed(copy.path / "seeds.json", lambda r: r.update(status="interrupted"))
    again = [*asked, "--seed", "7", "--seeds", "2", "--out", str(copy.path), "--resume"]
    usual = TextClassification.load_model

    def unlucky(self):
        if self.recipe.seed == 8:
            raise ToolkitError("bad luck")
        return usual(self)

    with monkeypatch.context() as patched:
        patched.setattr(TextClassification, "load_model", unlucky)
        assert outcome(["run", *again]) == 1
    said = capsys.readouterr().err
    assert "1 of 2 runs failed, the first with seed 8: bad luck; go on with: toolkit run" in said
    failed = SeedRuns(copy.path)
    assert (failed.status, failed.record["failed"]) == ("failed", {"8": "bad luck"})

    assert outcome(["run", *again]) == 0
    resumed = SeedRuns(copy.path)
    assert (resumed.status, resumed.record["failed"]) == ("finished", {})
    assert (copy.folder_of(7) / "run.json").read_bytes() == before
    assert resumed.metrics == copy.metrics  # to the bit


@pytest.mark.slow
def test_a_signal_in_the_second_run_and_the_command_that_goes_on(found, asked, tmp_path, capfd):
    out = tmp_path / "out"
    given = [*asked, "--seed", "7", "--seeds", "2", "--out", str(out)]
    assert killed("step", 12, given, signal.SIGTERM) == 130
    said = capfd.readouterr().err.strip()
    assert "interrupted: SIGTERM after step 4; go on with: toolkit run" in said
    assert SeedRuns(out).status == "interrupted"
    command = shlex.split(said.partition("toolkit run ")[2])
    assert undisturbed([*command, "--quiet"]) == 0
    assert SeedRuns(out).metrics == found.metrics
    assert [run.record["recipe"] for run in SeedRuns(out).runs] == ["text-classification"] * 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "7", "--seeds", "1"], "a spread takes two seeds or more"),
        (["--seed", "7", "--seeds", "2"], "is not empty"),
        (["--seed", "8", "--seeds", "2", "--resume"], "seed: is 8, but 7 in the recipe"),
        (["--seed", "7", "--seeds", "2", "--resume", "--method", "head"], "method.name: is 'head'"),
        (["--seed", "7", "--seeds", "2", "--nodes", "2"], "--seeds runs on one machine"),
        (["--seed", str(2**32 - 1), "--seeds", "2"], "go beyond"),
    ],
)
def test_what_does_not_fit_is_told(found, asked, capsys, more, message):
    kept = (found.path / "seeds.json").read_bytes()
    assert outcome(["run", *asked, "--out", str(found.path), *more]) == 2
    assert message in capsys.readouterr().err
    assert (found.path / "seeds.json").read_bytes() == kept


def test_fewer_seeds_than_there_are_is_told(copy, asked, capsys):
    changed(copy.path / "seeds.json", lambda r: r.update(seeds=[7, 8, 9], status="interrupted"))
    again = [*asked, "--seed", "7", "--seeds", "2", "--out", str(copy.path), "--resume"]
    assert outcome(["run", *again]) == 2
    assert "more may be added, none left out" in capsys.readouterr().err


def test_a_mistake_leaves_no_folder_behind(asked, tmp_path, capsys):
    out = tmp_path / "out"
    wrong = [*asked, "--set", "options.text=nothing", "--seeds", "2", "--out", str(out)]
    assert outcome(["run", *wrong]) == 2
    assert "nothing" in capsys.readouterr().err
    assert not out.exists()


def test_a_damaged_folder_is_told(copy):
    changed(copy.path / "seeds.json", lambda r: r.update(seeds=["x"]))
    with pytest.raises(UserError, match=r"seeds\.0: is damaged"):
        SeedRuns(copy.path)
    changed(copy.path / "seeds.json", lambda r: (r.update(seeds=[7]), r.pop("metrics")))
    with pytest.raises(UserError, match="finished runs have metrics"):
        SeedRuns(copy.path)


@pytest.mark.parametrize("content", [None, "", '{"schema_version": 1, "sta'])
def test_a_record_that_is_gone_or_torn_is_written_anew(copy, asked, content):
    file = copy.path / "seeds.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    (copy.path / "recipe.yaml").write_text("# toolkit run recipe.yaml\nscen")
    before = [(run.path / "run.json").read_bytes() for run in copy.runs]
    again = [*asked, "--seed", "7", "--seeds", "2", "--out", str(copy.path), "--resume"]
    assert outcome(["run", *again]) == 0
    found = SeedRuns(copy.path)
    assert (found.status, found.metrics) == ("finished", copy.metrics)
    assert [(run.path / "run.json").read_bytes() for run in found.runs] == before
    assert outcome(["check", str(copy.path / "recipe.yaml"), "--no-estimate"]) == 0


def test_other_rows_of_finished_runs_are_told(copy, asked, capsys):
    changed(copy.folder_of(7) / "run.json", lambda r: r["data"].update(fingerprint="other"))
    before = (copy.path / "seeds.json").read_bytes()
    again = [*asked, "--seed", "7", "--seeds", "2", "--out", str(copy.path), "--resume"]
    assert outcome(["run", *again]) == 2
    assert "data.source: the rows have changed" in capsys.readouterr().err
    assert (copy.path / "seeds.json").read_bytes() == before


def crossed(rng, runs, rows, seeds=0.0, shared=0.0, own=0.0):
    """Return runs x rows of numbers whose mean is the score."""
    return (
        rng.normal(0, seeds, (runs, 1)) + rng.normal(0, shared, (1, rows))
        + rng.normal(0, own, (runs, rows))
    )  # fmt: skip


def resampled(table, rng, count=400):
    rows = table.shape[1]
    places = rng.integers(0, rows, (count, rows))
    return [[float(v) for v in line] for line in np.stack([table[:, p].mean(1) for p in places], 1)]


def test_the_variances_of_seeds_and_rows_are_found():
    rng = np.random.default_rng(0)
    estimates = []
    for _ in range(60):
        table = crossed(rng, 8, 100, seeds=0.3, shared=2.0, own=1.0)
        got = spread(table.mean(1), resampled(table, rng, 200), table.shape[1])
        estimates.append([got.seeds**2, got.rows**2, got.both**2])
    true = [0.3**2, 2.0**2 / 100, 1.0**2 / 100]
    assert np.mean(estimates, axis=0) == pytest.approx(true, rel=0.2)


@pytest.mark.parametrize("given", [{"seeds": 0.3}, {"shared": 2.0}, {"own": 2.0},
                                   {"seeds": 0.2, "shared": 2.0, "own": 1.0}])  # fmt: skip
def test_the_interval_covers_the_mean_as_often_as_it_says(given):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        table = crossed(rng, 5, 60, **given)
        got = spread(table.mean(1), resampled(table, rng, 200), table.shape[1])
        hits += got.low <= 0 <= got.high
    assert hits / 200 >= 0.9


@pytest.mark.parametrize("runs", [2, 5])
@pytest.mark.parametrize("given", [{"seeds": 0.3, "shared": 2.0},
                                   {"seeds": 0.2, "shared": 1.0, "own": 1.0}])  # fmt: skip
def test_ranges_of_shares_hold_the_true_ones_where_the_shares_themselves_are_far_off(runs, given):
    rng = np.random.default_rng(2)
    parts = {name: given.get(key, 0.0) ** 2 / rows
             for name, key, rows in (("seeds", "seeds", 1), ("rows", "shared", 200),
                                     ("both", "own", 200))}  # fmt: skip
    true = parts["seeds"] / sum(parts.values())
    of_rows = parts["rows"] / sum(parts.values())
    hits, hits_of_rows, off = 0, 0, 0
    for _ in range(150):
        table = crossed(rng, runs, 200, **given)
        got = spread(table.mean(1), resampled(table, rng, 200), table.shape[1])
        low, high = got.share_ranges["seeds"]
        hits += low <= true <= high
        hits_of_rows += got.share_ranges["rows"][0] <= of_rows <= got.share_ranges["rows"][1]
        assert low <= got.shares["seeds"] <= high
        off += abs(got.shares["seeds"] - true) > 0.15
    assert min(hits, hits_of_rows) / 150 >= 0.88
    assert off / 150 >= 0.1


@pytest.mark.parametrize("given", [{"seeds": 0.3}, {"shared": 2.0}, {"own": 2.0},
                                   {"seeds": 0.2, "shared": 1.0, "own": 1.0}])  # fmt: skip
def test_the_interval_of_a_difference_of_means_covers_it_as_often_as_it_says(given):
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        table = crossed(rng, 8, 60, **given)  # rows are the same for both
        drawn = resampled(table, rng, 200)
        first, second = (list(table.mean(1)[part]) for part in (slice(3), slice(3, 8)))
        got = mean_difference((first, second), (drawn[:3], drawn[3:]), 60, True)
        assert got.value - got.reference == pytest.approx((got.low + got.high) / 2)
        hits += got.low <= 0 <= got.high
    assert hits / 200 >= 0.9


def test_means_without_resamples_have_no_interval():
    got = mean_difference(([0.5, 0.7], [0.1, 0.3]), ([[], []], [[], []]), 60, True)
    assert (got.reference, got.value) == pytest.approx((0.6, 0.2))
    assert (got.low, got.better) == (None, None)


def test_without_resamples_there_is_no_interval():
    got = spread([0.5, 0.7])
    assert (got.mean, got.low, got.shares) == (pytest.approx(0.6), None, None)
    assert got.share_ranges is None
    assert spread([0.5, float("nan")], [[0.5, 0.5], [1.0, 1.0]]).low is None

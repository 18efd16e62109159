"""Caches that are torn, full or read-only: no row is lost, one message, nothing half-written."""

from __future__ import annotations

import gc
import gzip
import json

import datasets
import pytest
from attacks.small import record, rows, words
from text_rows import csv_of, sentences

from toolkit.cli.main import outcome

ROWS = 3000


def _csv(folder):
    file = folder / "rows.csv"
    file.write_text(csv_of(sentences(ROWS)), encoding="utf-8")
    return file


def _jsonl(folder):
    file = folder / "rows.jsonl"
    lines = (json.dumps({"text": text, "label": label}) for text, label in sentences(ROWS))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def _packed(folder):
    plain, file = folder / "rows.parquet", folder / "rows.parquet.gz"
    datasets.Dataset.from_csv(str(_csv(folder)), cache_dir=str(folder / "c")).to_parquet(str(plain))
    file.write_bytes(gzip.compress(plain.read_bytes()))
    return file


FORMS = {"csv": _csv, "jsonl": _jsonl, "parquet.gz": _packed}
SHARES = {"without its end": 1.0, "half": 0.5, "empty": 0.0}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of converted data for this test alone: a function that sets the folder."""

    def use(folder):
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        return folder

    use(tmp_path / "cache")
    return use


def check(file, model, capsys):
    """Check a recipe; return the exit code and what was said."""
    code = outcome(["check", *words(file, model), "--no-estimate"])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said


@pytest.mark.parametrize("share", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_what_is_torn_is_made_anew(make, share, cache, tmp_path, tiny_model, capsys):
    file, folder = make(tmp_path), cache(tmp_path / "cache")
    code, first = check(file, tiny_model, capsys)
    assert code == 0, first.err
    sizes = {path: path.stat().st_size for path in folder.rglob("*.arrow")}
    assert sizes
    packed = {path: path.stat().st_size for path in folder.rglob("*.parquet")}
    for path, size in {**sizes, **packed}.items():
        with path.open("r+b") as held:
            held.truncate(min(int(size * share), size - 4))
    code, again = check(file, tiny_model, capsys)
    assert code == 0, again.err
    assert again.out == first.out


@pytest.mark.slow
def test_torn_features_are_computed_anew(cache, tmp_path, tiny_model):
    asked = ["run", *words(rows(tmp_path), tiny_model, "head"), "--quiet", "--out"]
    assert outcome([*asked, str(tmp_path / "first")]) == 0
    for path in (cache(tmp_path / "cache") / "toolkit-features").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert outcome([*asked, str(tmp_path / "again")]) == 0
    first, again = (record(tmp_path / name) for name in ("first", "again"))
    assert again["method"]["features"] == "computed"
    assert again["metrics"] == first["metrics"]


@pytest.mark.parametrize(
    ("options", "why"),
    [("size=32k", "No space left on device"), ("size=32k,ro", "Read-only file system")],
)
@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
def test_one_that_takes_no_more_is_told(
    make, options, why, cache, mounted, tmp_path, tiny_model, capsys
):
    file, folder = make(tmp_path), cache(mounted(options))
    code, said = check(file, tiny_model, capsys)
    assert code == 1
    assert f"a cache cannot be written at {folder}" in said.err
    assert why in said.err
    assert said.err.count("\n") == 1
    assert not [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


# `datasets` leaves its file open where it cannot be finished.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_one_in_the_midst_of_preparing(cache, mounted, tmp_path, tiny_model, capsys):
    """The rows fit into it, and what the tokenizer makes of them does not."""
    file, folder = _csv(tmp_path), cache(mounted("size=200k"))
    code, said = check(file, tiny_model, capsys)
    assert code == 1
    assert "a cache cannot be written at" in said.err
    left = [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert all(name.endswith(".arrow") for name in left)
    assert check(file, tiny_model, capsys)[0] == 1
    gc.collect()  # now, as the warning would be another test's

"""Anything at all through every door: the toolkit's own errors or none, and nothing written.

`tests/fuzz.py` does the same for as long as one likes, guided by coverage.
"""

from __future__ import annotations

import json
from itertools import count

import datasets
import doors
import pytest
from bad_inputs.run_folders import RECORD
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLACES = count()
# The same examples every time: what is new is looked for by tests/fuzz.py.
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = st.sampled_from(
    ["scenario", "text-classification", "model", "data", "source", "options", "text", "label",
     "training", "learning_rate", "method", "lora", "rank", "report", "metrics", "include", "../..",
     "split", "test", "0.2", "1e9", "-1", ".nan", "true", "~", "null", "hub:", "plugin:",
     "/dev/zero",
     ": ", "\n", "  ", "- ", "{", "}", "[", "]", "&a ", "*a", "!!", "<<", "'", '"', "\t",
     "#", "|", ","]
)  # fmt: skip
YAML = st.lists(WORDS, max_size=25).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "label", "value", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
CELLS = st.sampled_from(["text", "label", "a", "b", ",", ";", "\t", "\n", "\r\n", '"', "'", " ",
                         "é", "\0", "\ufeff", "1", "", "nan", "2024-01-01"])  # fmt: skip


@pytest.fixture
def through(tmp_path, monkeypatch):
    """Send bytes through a door, from an empty folder that must stay empty."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "outer" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "here")

    def send(door: doors.Door, data: bytes) -> None:
        folder = tmp_path / "inputs" / str(next(PLACES))
        folder.mkdir(parents=True)
        door(data, folder)
        assert doors.everything(tmp_path / "outer") == {"here"}
        assert len(doors.everything(folder)) <= 1

    return send


@quick
@given(st.one_of(YAML.map(str.encode), st.binary(max_size=80)))
def test_recipes(through, data):
    through(doors.recipe, data)


@quick
@given(st.one_of(YAML, st.text(max_size=40)).map(lambda text: text.encode("utf-8", "replace")))
def test_recipes_on_top_of_another(through, data):
    through(doors.recipe, b"include: text-classification\n" + data)


@quick
@given(st.lists(st.tuples(st.lists(WORDS, max_size=4), YAML | st.text(max_size=20)), max_size=3))
def test_overrides(through, settings):
    texts = [f"{'.'.join(keys)}={value}" for keys, value in settings]
    through(doors.overrides, "\n".join(texts).encode("utf-8", "replace"))


@quick
@given(st.one_of(st.lists(CELLS, max_size=40).map(lambda p: "".join(p).encode()), st.binary()))
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_csv(through, suffix, data):
    through(doors.table(suffix), data)


@quick
@given(
    st.one_of(
        st.lists(JSON, max_size=4).map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
    )
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json(through, suffix, data):
    through(doors.table(suffix), data)


def changed(record, path, value):
    """Return a record in which the place that `path` leads to holds another value."""
    if not path or not isinstance(record, dict) or not record:
        return value
    key = sorted(record)[path[0] % len(record)]
    return {**record, key: changed(record[key], path[1:], value)}


@quick
@given(
    st.one_of(
        st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=4), JSON).map(
            lambda change: json.dumps(changed(RECORD, *change)).encode()
        ),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
    )
)
def test_run_folders(through, data):
    through(doors.run, data)

"""Rows that an installed package makes: `plugin:name?key=value`."""

import pytest

from toolkit.errors import DataError

MODULE = """
import datasets

def numbers(count=40, step=1, name="n"):
    if step == 0:
        raise ValueError("a step of nothing")
    rows = [{"text": f"{name} {i * step}", "label": "ab"[i % 2]} for i in range(int(count))]
    return datasets.Dataset.from_list(rows)

def halves():
    return datasets.DatasetDict(train=numbers(6), test=numbers(4))

def odd():
    return {"first": numbers(3)}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that brings four sources, one of which is not there."""
    info = tmp_path / "site" / "counting-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site" / "counting_rows.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    names = ("numbers", "halves", "odd", "gone")
    points = "".join(f"{name} = counting_rows:{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[toolkit.data]\n{points}")
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_rows_are_made_and_known_again_by_their_contents(package, door):
    found = door("plugin:numbers?count=50&name=x")
    assert sum(len(split) for split in found.splits.values()) == 50
    assert found.splits["train"][0]["text"].startswith("x ")
    assert found.fingerprint == door("plugin:numbers?count=50&name=x").fingerprint
    others = [door(f"plugin:numbers?count={n}").fingerprint for n in (50, 51)]
    assert len({found.fingerprint, *others}) == 3


def test_splits_that_it_brings_stay(package, door):
    found = door("plugin:halves")
    assert len(found.splits["test"]) == 4
    assert len(found.splits["train"]) + len(found.splits["validation"]) == 6


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("plugin:number", r"no data source 'number'\. Did you mean 'numbers'\?"),
        ("plugin:", "no data source ''"),
        ("plugin:gone", "counting_rows:gone. cannot be imported: AttributeError"),
        ("plugin:odd", "gave first, not a Dataset or splits with a train one"),
        ("plugin:numbers?cuont=5", r"takes no 'cuont'\. Did you mean 'count'\?"),
        ("plugin:numbers?count", "write plugin:NAME"),
        ("plugin:numbers?step=0", "failed: ValueError: a step of nothing"),
        ("plugin:numbers?count=many", "failed: ValueError"),
    ],
)
def test_what_is_wrong_is_named(package, door, source, what):
    with pytest.raises(DataError, match=what):
        door(source)

"""Recipes by name or path: the core's own, and those that installed packages ship."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from toolkit.cli.main import cli
from toolkit.errors import RecipeError
from toolkit.recipe import library

RECIPE = "scenario: birds\ndescription: Tell birds apart.\nmodel: a/b\ndata: birds.csv\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with a plugin and recipes on the path, as pip leaves it."""

    def installed(name, files, scenario="birds"):
        folder, package = tmp_path / name, name.replace("-", "_")
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        point = f"{scenario} = {package}.plugin:Birds"
        (info / "entry_points.txt").write_text(f"[toolkit.plugins]\n{point}\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("")
        for path, text in {"__init__.py": "raise SystemExit('imported')", **files}.items():
            target = folder / package / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.syspath_prepend(str(folder))
        return folder / package

    return installed


def test_the_cores_own_are_listed_by_scenario_and_name():
    names = [item.name for item in library.recipes() if item.distribution == "finetune-toolkit"]
    assert "text-classification" in names
    assert "text-classification/sentiment" in names
    assert names == sorted(names)


def test_recipes_of_a_strangers_package_are_listed_without_importing_it(install):
    folder = install(
        "bird-dist",
        {"recipes/birds/default.yaml": RECIPE, "recipes/birds/owls.yml": RECIPE,
         "recipes/birds/data.csv": "x\n", "recipes/loose.yaml": RECIPE},
    )  # fmt: skip
    found = {i.name: i for i in library.recipes() if i.distribution == "bird-dist"}
    assert list(found) == ["birds", "birds/owls"]
    assert library.locate("birds") == folder / "recipes" / "birds" / "default.yaml"
    assert library.find_recipe("birds/owls").name == "birds/owls"
    shown = CliRunner().invoke(cli, ["list"])
    assert "birds/owls (from bird-dist)\n      Tell birds apart." in shown.output
    assert shown.exit_code == 0
    assert "bird_dist" not in sys.modules


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("a: [", "[broken: "),
        ("- a\n", "[broken: a recipe is a mapping"),
        ("", "[broken: a recipe is a mapping"),
        (b"\xff", "[broken: "),
        ("? [a]\n: b\n", "[broken: "),
        ("description: 2024-99-99\n", "2024-99-99"),
        ("description: no\n", "no"),
        (b"\xef\xbb\xbfdescription: marked\n", "marked"),
        ("scenario: x\n", ""),
    ],
)
def test_a_broken_recipe_does_not_end_the_listing(install, content, what):
    install("bird-dist", {"recipes/birds/default.yaml": content})
    (item,) = [i for i in library.recipes() if i.name == "birds"]
    assert library.description(item.path).startswith(what)
    shown = CliRunner().invoke(cli, ["list"])
    assert shown.exit_code == 0
    assert what in shown.output


def test_a_name_shipped_twice_names_both_sides(install):
    install("one-dist", {"recipes/birds/default.yaml": RECIPE})
    install("two-dist", {"recipes/birds/default.yaml": RECIPE})
    with pytest.raises(RecipeError) as caught:
        library.locate("birds")
    assert "one-dist (" in str(caught.value)
    assert "two-dist (" in str(caught.value)
    assert "give the path of one" in str(caught.value)


def test_no_package_takes_the_name_of_a_built_in_recipe(install, tmp_path, monkeypatch):
    own = library.locate("text-classification")
    install("thief-dist", {"recipes/text-classification/default.yaml": RECIPE})
    (tmp_path / "text-classification").mkdir()  # nor does what lies in the current folder
    (tmp_path / "text-classification.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    assert library.locate("text-classification") == own
    assert library.locate("text-classification.yaml") == Path("text-classification.yaml")


def test_default_answers_to_the_bare_name():
    path = library.locate("text-classification")
    assert path.name == "default.yaml"
    assert library.locate("text-classification/default") == path
    assert library.name_of(path.resolve()) == "text-classification"


def test_a_path_is_taken_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "Mine.YAML"
    path.write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert library.locate("Mine.YAML") == Path("Mine.YAML")
    assert library.locate("~/Mine.YAML") == path
    found = library.find_recipe("Mine.YAML", [(("seed",), 7)])
    assert found.name == "Mine"
    recipe = found.recipe()
    assert recipe is not None
    assert (recipe.seed, recipe.data.source) == (7, str(tmp_path / "birds.csv"))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("text-clasification", "Did you mean 'text-classification'?"),
        ("text-classification/sentimnt", "Did you mean 'text-classification/sentiment'?"),
        ("zzz", "Recipes: "),
        ("", "or give the path of a .yaml file"),
        ("minne.yaml", "there is no such file. Did you mean 'mine.yaml'?"),
        ("nowhere/mine.yaml", "there is no such file"),
        ("folder.yaml", "is no file: a recipe is one YAML file"),
        ("x" * 5000 + ".yaml", "there is no such file"),
        ("a\0.yaml", "there is no such file"),
    ],
)
def test_a_name_that_is_none(tmp_path, monkeypatch, name, what):
    (tmp_path / "mine.yaml").write_text(RECIPE)
    (tmp_path / "folder.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as caught:
        library.locate(name)
    assert what in str(caught.value)


def test_the_data_beside_a_recipe_is_found_for_copying(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x\n")
    path = tmp_path / "mine.yaml"
    path.write_text("data: {source: {train: [a.csv, b.csv], test: ../elsewhere.csv}}\n")
    assert library.local_sources(path) == ["a.csv", "b.csv"]
    path.write_text("data: hub:a/b\n")
    assert library.local_sources(path) == []
    assert library.local_sources(library.locate("text-classification")) == ["support-tickets.csv"]

"""What suits a recipe's own data or model alone, where there are others."""

from __future__ import annotations

import pytest
from image_rows import CLASSES, folder, tiny_vit

import toolkit
from toolkit.cli.main import outcome
from toolkit.errors import RecipeError
from toolkit.recipe.library import find_recipe
from toolkit.recipe.overrides import overrides
from toolkit.recipe.yaml_text import construct, dump

BASE = {
    "scenario": "image-classification",
    "description": "Our digits.",
    "model": {"from_config": {"model_type": "resnet", "depths": [1]}},
    "data": {"source": "digits"},
    "options": {"size": 24, "augment": {"rotate": 5, "shift": 0.1}, "positive": "one"},
    "only_for": {"data": ["description", "options.augment"], "model": ["options.size"]},
}


@pytest.fixture
def recipe(tmp_path):
    """Return the draft of a stranger's recipe, or of one that includes it: `recipe(own, **)`."""

    def read(own=None, base=BASE, **changes):
        (tmp_path / "base.yaml").write_text(dump(base))
        (tmp_path / "own.yaml").write_text(dump({"include": "base.yaml", **(own or {})}))
        name = "base.yaml" if own is None else "own.yaml"
        return find_recipe(str(tmp_path / name), overrides(**changes))

    return read


def test_without_other_data_or_model_all_stays(recipe):
    found = recipe(settings=["model.from_config.depths=[2]", "training.max_steps=3"])
    assert found.values["options"] == BASE["options"]
    assert found.values["description"] == "Our digits."
    assert not found.notes


def test_other_data_take_the_plugins_default_and_that_is_told(recipe, tmp_path):
    found = recipe(data=tmp_path)
    assert found.values["options"] == {"size": 24, "positive": "one"}
    assert found.checked().description == ""
    told = "the recipe's own data only: options.augment={'rotate': 5, 'shift': 0.1}"
    assert [told in note for note in found.notes] == [True]
    assert found.values["only_for"] == {"model": ["options.size"]}


def test_another_model_keeps_what_is_of_the_data(recipe):
    found = recipe(model="google/vit")
    assert "size" not in found.values["options"]
    assert found.values["options"]["augment"] == {"rotate": 5, "shift": 0.1}
    assert "the recipe's own model only: options.size=24" in found.notes[0]


def test_what_is_set_stays(recipe, tmp_path):
    found = recipe(
        data=tmp_path, model="m", settings=["options.size=48", "options.augment.rotate=9"]
    )
    assert found.values["options"] == {"size": 48, "augment": {"rotate": 9}, "positive": "one"}
    assert "options.augment.shift=0.1" in found.notes[0]
    assert "size" not in str(found.notes)
    again = recipe(base=found.checked().model_dump(mode="json"), model="other")
    assert again.values["options"]["size"] == 48  # the user's, not the recipe's


def test_a_recipe_that_includes_it_for_other_data(recipe):
    found = recipe({"data": {"source": "photos"}, "description": "Photos."})
    assert found.values["options"] == {"size": 24, "positive": "one"}
    assert found.values["description"] == "Photos."
    assert not found.faults


def test_what_a_variant_sets_itself_is_its_own(recipe, tmp_path):
    found = recipe({"options": {"augment": {"rotate": 1}}}, data=tmp_path)
    assert found.values["options"]["augment"] == {"rotate": 1, "shift": 0.1}
    assert "description" not in found.values


def test_the_recipe_of_a_run_is_read_again(recipe, tmp_path):
    found = recipe(data=tmp_path, model="m").checked().model_dump(mode="json")
    assert recipe(base=construct(dump(found))).checked().model_dump(mode="json") == found


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"data": ["options.sise"]},
            "only_for.data: names 'options.sise', which this recipe",
        ),
        ({"date": ["options.size"]}, "only_for.date.*Did you mean 'data'"),
        ({"data": "options.size"}, "only_for.data.*list"),
        ("options.size", "only_for"),
    ],
)
def test_a_block_that_names_nothing_is_refused(recipe, block, message):
    with pytest.raises(RecipeError, match=message):
        recipe(base={**BASE, "only_for": block}, settings=["seed=1"]).checked()


def test_a_model_of_photos_is_trained_at_its_own_size(tmp_path, capsys):
    photos = folder(tmp_path / "photos", dict.fromkeys(CLASSES, 12))
    model = tiny_vit(tmp_path / "model")
    run = toolkit.run("image-classification", data=photos, model=model, out=tmp_path / "run",
                      settings={"training.max_steps": 2})  # fmt: skip
    own = construct((model / "preprocessor_config.json").read_text())["size"]
    saved = construct((run.path / "model" / "preprocessor_config.json").read_text())["size"]
    assert saved == own
    assert saved != {"height": 32, "width": 32}
    assert any("options.size=32" in note for note in run.record["data"]["notes"])
    assert "digits" not in (run.path / "README.md").read_text()
    assert outcome(["check", "image-classification", "--no-estimate", "--data", str(photos),
                    "--model", str(model)]) == 0  # fmt: skip
    assert "own data only: options.size=32" in " ".join(capsys.readouterr().out.split())

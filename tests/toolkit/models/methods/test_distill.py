"""method: distill: a student learns what its teacher says, and only where the classes agree."""

from __future__ import annotations

import random

import pytest
import transformers
from text_rows import WORDS, sentences

import toolkit
from toolkit.errors import RecipeError


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("teacher")
    lines = "\n".join(f"{text},{label}" for text, label in sentences(240))
    (folder / "rows.csv").write_text(f"text,label\n{lines}\n")
    return toolkit.run(
        "text-classification",
        data=folder / "rows.csv",
        model=tiny_model,
        out=folder / "run",
        # To the end, not to the first checkpoint without a mistake: a teacher should be sure.
        settings={
            "training": {"num_train_epochs": 15, "learning_rate": 5e-3, "eval_strategy": "no"}
        },
    )


@pytest.fixture(scope="module")
def student(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("student")
    config = transformers.AutoConfig.from_pretrained(tiny_model)
    config.num_hidden_layers = 1
    transformers.set_seed(1)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture
def distill(tmp_path, student, teacher):
    def go(rows, out="out", teacher=teacher.path, epochs=15, **method):
        path = tmp_path / f"{out}.csv"
        path.write_text("text,label\n" + "\n".join(f"{t},{label}" for t, label in rows) + "\n")
        return toolkit.run(
            "text-classification",
            data=path,
            model=student,
            out=tmp_path / out,
            settings={
                "method": {"name": "distill", "teacher": str(teacher), **method},
                # Wrong labels of validation would choose the checkpoint.
                "training": {
                    "num_train_epochs": epochs,
                    "learning_rate": 5e-3,
                    "per_device_train_batch_size": 8,
                    "eval_strategy": "no",
                },
            },
        )

    return go


def right(run):
    rows = sentences(90, seed=77)
    said = run.predict([{"text": text} for text, _ in rows])
    return sum(p["label"] == label for p, (_, label) in zip(said, rows, strict=True)) / len(rows)


def test_a_student_of_a_good_teacher_does_without_right_labels(distill, teacher):
    """With alpha 1 it learns from the teacher alone: labels drawn by lot do it no harm."""
    rng = random.Random(3)
    rows = [(text, rng.choice(list(WORDS))) for text, _ in sentences(200, seed=5)]
    run = distill(rows, alpha=1.0)
    assert right(teacher) > 0.9
    assert right(run) > 0.8
    assert run.record["method"]["student_parameters"] < run.record["method"]["teacher_parameters"]
    assert run.record["method"]["teacher_logits"] == "computed"
    without = distill(rows, out="without", alpha=0.0)
    assert right(without) < 0.7
    assert without.record["method"]["teacher_logits"] == "from the cache"


def test_a_saved_model_teaches_as_its_run_does(distill, teacher):
    rows = sentences(60, seed=5)
    runs = [distill(rows, out=str(i), teacher=path, alpha=0.7, epochs=3)
            for i, path in enumerate((teacher.path, teacher.path / "model"))]  # fmt: skip
    said = [run.predict([{"text": "the old robin"}])[0]["scores"] for run in runs]
    assert said[0] == pytest.approx(said[1], abs=1e-5)


def test_a_teacher_of_other_classes_is_refused(distill):
    rows = [(text, {"bird": "fish"}.get(label, label)) for text, label in sentences(60, seed=11)]
    with pytest.raises(RecipeError, match="lacks fish, and has bird besides"):
        distill(rows)


def test_a_teacher_that_is_not_there(distill, tmp_path):
    with pytest.raises(RecipeError, match=r"method\.teacher: .*nowhere"):
        distill(sentences(60), teacher=tmp_path / "nowhere")

"""Recipes: read, included, overridden and checked, with every fault at its place at once."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.cli.main import outcome
from toolkit.errors import RecipeError
from toolkit.recipe import library, yaml_text
from toolkit.recipe.overrides import parse_override
from toolkit.recipe.reading import read_draft

BASE = "scenario: s\nmodel: owner/name\ndata: rows.csv\n"
SHIPPED = sorted(library.core_folder().rglob("*.y*ml"))
PLACES = count()
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@pytest.fixture
def read(tmp_path):
    """Read a recipe text (with other files beside it, and --set texts) and check it."""

    def found(text, *sets, beside=None, find=None):
        for name, content in {"recipe.yaml": text, **(beside or {})}.items():
            raw = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name).write_bytes(raw)
        made = read_draft(tmp_path / "recipe.yaml", [parse_override(s) for s in sets], find)
        recipe = made.recipe()
        made.stop_on_faults()
        return recipe

    return found


@pytest.fixture
def faults(read, tmp_path):
    """Return the faults of a recipe text as lines, the folder left out."""

    def found(*args, **more):
        with pytest.raises(RecipeError) as caught:
            read(*args, **more)
        return [str(fault).replace(f"{tmp_path}/", "") for fault in caught.value.faults]

    return found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}-{path.stem}")
class TestShipped:
    """Every recipe in the tree."""

    def test_it_opens_with_the_commands_that_run_it(self, path):
        name = library.name_of(path.resolve())
        first, second = path.read_text(encoding="utf-8").splitlines()[:2]
        brings = first == f"# toolkit run {name}"
        # A recipe for data that may not be passed on opens with the command that names it.
        assert brings or first.startswith(f"# toolkit run {name} --data ")
        assert brings is _brings_data(path)
        assert second.startswith(f"# toolkit run {name} --data ")

    def test_it_is_valid_with_its_scenario_method_and_training(self, path):
        from toolkit.recipe.library import find_recipe
        from toolkit.runner.resolve import resolve_recipe

        recipe, plugin = resolve_recipe(find_recipe(library.name_of(path.resolve())))
        assert recipe.description
        assert isinstance(plugin.options, type(plugin).Options)


def _brings_data(path):
    found = library.find_recipe(str(path)).recipe()
    assert found is not None
    source = found.data.source
    return source.startswith(("hub:", "plugin:")) or Path(source).exists()


def test_every_file_below_the_recipes_is_listed():
    assert {item.path.resolve() for item in library.recipes()} >= {p.resolve() for p in SHIPPED}
    assert SHIPPED


def test_paths_are_relative_to_the_file(read, tmp_path):
    found = read("scenario: s\nmodel: ./m\ndata: {source: {train: a.csv, test: [b.csv, ../c.csv]}}")
    assert found.model.id == str(tmp_path / "m")
    assert found.data.source == {
        "train": str(tmp_path / "a.csv"),
        "test": [str(tmp_path / "b.csv"), str(tmp_path.parent / "c.csv")],
    }
    assert read(BASE).model.id == "owner/name"
    assert read("scenario: s\nmodel: {id: ../m}\ndata: x").model.id == str(tmp_path.parent / "m")
    assert read("scenario: s\nmodel: m\ndata: ~/x").data.source == str(Path("~/x").expanduser())
    assert read("scenario: s\nmodel: m\ndata: hub:a/b").data.source == "hub:a/b"
    assert read("scenario: s\nmodel: m\ndata: [a]").data.source == [str(tmp_path / "a")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("2024-01-01", "2024-01-01"), ("12:30:00", "12:30:00"),
        ("1e-4", 1e-4), ("1.0e-4", 1e-4), (".5", 0.5), ("010", 10), ("+5", 5), ("0x10", "0x10"),
        ("1_000", "1_000"), ("true", True), ("null", None), ("~", None), ("'7'", "7"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(read, text, value):
    for found in (read(f"{BASE}options: {{x: {text}}}"), read(BASE, f"options.x={text}")):
        assert found.options == {"x": value}
        assert type(found.options["x"]) is type(value)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + BASE.encode(), BASE.replace("\n", "\r\n")])
def test_marks_and_line_ends_of_windows_do_not_matter(read, text):
    assert read(text).scenario == "s"


def test_blocks_whose_keys_are_commented_out_are_absent(read):
    found = read(BASE + "options:\n  # x: 1\ntraining:\nmethod:\nreport:\n")
    assert (found.options, found.training, found.method.name) == ({}, {}, "full")


def test_all_faults_stand_with_their_line_at_once(faults):
    text = (
        "scenario: s\nmodell: x\nmodel: {id: a/b, revison: main}\nseed: -1\nseed: 1.5\n"
        "data:\n  source: rows.csv\n  encoding: utf-99\n  delimiter: ab\n"
        "  split: {tst: 1, test: 0, validation: 0}\n"
        "options: {1: x}\nreport: {metrics: accuracy}\nmethod: [lora]\n"
    )
    assert sorted(faults(text)) == sorted(
        [
            "recipe.yaml:5 seed: duplicate key",
            "recipe.yaml:2 modell: unknown key. Did you mean 'model'? Known: data, description, "
            "method, model, only_for, options, report, scenario, seed, training.",
            "recipe.yaml:3 model.revison: unknown key. Did you mean 'revision'? "
            "Known: from_config, id, revision.",
            "recipe.yaml:5 seed: should be a valid integer, got a number with a fractional part, "
            "not 1.5",
            "recipe.yaml:8 data.encoding: 'utf-99': Python knows no such encoding (utf-8, cp1252, "
            "utf-16, ...)",
            "recipe.yaml:9 data.delimiter: 'ab': takes one ASCII character; tab is written '\\t'",
            "recipe.yaml:10 data.split.tst: unknown key. Did you mean 'test'? Known: fold, "
            "folds, gap, group, seed, stratify, test, time, validation, windows.",
            "recipe.yaml:10 data.split.test: should be greater than 0, not 0",
            "recipe.yaml:10 data.split.validation: should be greater than 0, not 0",
            "recipe.yaml:11 options.1: the key must be text: put it in quotes",
            "recipe.yaml:12 report.metrics: should be a valid list, not 'accuracy'",
            "recipe.yaml:13 method: should be a block of keys, not ['lora']",
        ]
    )


def test_what_is_missing_is_named(faults):
    assert faults("description: x\n") == [
        "recipe.yaml scenario: is missing",
        "recipe.yaml model: is missing",
        "recipe.yaml data: is missing",
    ]
    assert faults("scenario: s\nmodel: m\ndata: {encoding: utf-8}\n") == [
        "recipe.yaml:3 data.source: is missing"
    ]


@pytest.mark.parametrize("source", ["[]", "''", "{}", "{train: []}", "5", "[1]", "{train: {a: b}}"])
def test_a_source_that_is_none(faults, source):
    (fault,) = faults(f"scenario: s\nmodel: m\ndata: {{source: {source}}}\n")
    assert fault.startswith("recipe.yaml:3 data.source: ")
    assert "takes a path, a list of paths, or a map of split to path(s)" in fault


def test_group_and_time_exclude_each_other(faults):
    (fault,) = faults("scenario: s\nmodel: m\ndata: {source: x, split: {group: a, time: b}}")
    assert "not both" in fault


@pytest.mark.parametrize("mark", ["\\t", "tab", '"\\t"'])
def test_a_tab_can_be_written_in_every_way(read, mark):
    assert read(BASE, f"data.delimiter={mark}").data.delimiter == "\t"


def test_a_file_that_quotes_nothing_stays_so_when_the_recipe_is_written_again(read):
    found = read(BASE, "data.quote=null")
    again = yaml.safe_dump(found.model_dump(mode="json", exclude_none=True))
    assert read(again).data.quote == found.data.quote == ""
    assert read(BASE).data.quote == '"'
    assert read(BASE, "data.quote=|").data.quote == "|"


def test_a_quote_of_two_characters_is_told_once(faults):
    (fault,) = faults(BASE, "data.quote=ab")
    assert fault == "--set data.quote: 'ab': takes one ASCII character; tab is written '\\t'"


@pytest.mark.parametrize("name", ["rot13", "hex", "base64", "undefined", ""])
def test_a_codec_that_reads_no_text_is_no_encoding(faults, name):
    assert "Python knows no such encoding" in faults(BASE, f"data.encoding='{name}'")[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "a recipe is a mapping of keys to values"),
        ("- a\n", "a recipe is a mapping of keys to values"),
        ("a: [1\n", "recipe.yaml:2: is no YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "recipe.yaml:2: is no YAML"),
        (BASE + "---\n" + BASE, "recipe.yaml:4: is no YAML"),
        ("a: \x01\n", "is no YAML: unacceptable character"),
        ("a: &x 1\nb: *x\n", "recipe.yaml:2: is no YAML: aliases (*name) are not allowed"),
        ("a: !!python/object/apply:os.getcwd []\n", "recipe.yaml:1: is no YAML: tags"),
        ("a: !!timestamp x\n", "recipe.yaml:1: is no YAML: tags"),
        ("a: !foo 1\n", "recipe.yaml:1: is no YAML: tags (!foo) are not allowed"),
        ('a: "x\\0"\n', "recipe.yaml:1: is no YAML: 'x\\x00' holds a character that is no text"),
        ('data: "\\ud800"\n', "holds a character that is no text"),
        ("? [a]\n: b\n", "is no YAML: found unhashable key"),
        ("a: " + "9" * 5000, "is no YAML: Exceeds the limit"),
        ("a: " + "[" * 700 + "]" * 700, "is no YAML: it is nested too deeply"),
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"a: 1\n" * 300_000, "larger than 100,000 bytes"),
    ],
)
def test_what_is_no_recipe_is_told(faults, text, what):
    assert what in faults(text)[0]


def test_a_file_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / ("x" * 5000), tmp_path / "a\0"):
        with pytest.raises(RecipeError, match="cannot be read"):
            read_draft(path)


def told(path, overrides=()):
    """Return what reading and checking finds; anything but a RecipeError passes through."""
    try:
        made = read_draft(path, overrides)
        made.recipe()
    except RecipeError as error:
        return error.faults
    return made.faults


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(st.sampled_from("ab:-[]{}!&*?|>#'\"\\ \n\t0.1e,~%@"), max_size=60),
        st.binary(max_size=40),
    )
)
def test_reading_any_text_raises_nothing_but_a_recipe_error(tmp_path, text):
    path = tmp_path / f"{next(PLACES)}.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    assert all(path.name in fault.where for fault in told(path))


KEYS = st.sampled_from(["scenario", "model", "data", "split", "source", "options", "seed", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(KEYS, VALUES, max_size=6), st.lists(st.tuples(KEYS, KEYS, VALUES), max_size=3)
)
def test_any_values_raise_nothing_but_a_recipe_error(tmp_path, values, sets):
    path = tmp_path / f"{next(PLACES)}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    overrides = [((first, second), value) for first, second, value in sets]
    assert all(fault.what for fault in told(path, overrides))


class TestInclude:
    """A variant of another recipe in a few lines."""

    BASE = (
        "scenario: s\nmodel: {id: a/b, revision: v1}\nmethod: {name: lora, rank: 4}\n"
        "data: {source: {train: a.csv}, split: {test: 0.3}}\noptions: {x: 1, y: {p: 1, q: 2}}\n"
    )

    def test_own_values_win_key_by_key(self, read, tmp_path):
        found = read(
            "include: base.yaml\noptions: {x: 2, y: {q: 3}}\ndata: {source: {test: b.csv}}\n",
            beside={"base.yaml": self.BASE},
        )
        assert found.options == {"x": 2, "y": {"p": 1, "q": 3}}
        assert found.data.source == {"test": str(tmp_path / "b.csv")}
        assert found.data.split.test == 0.3
        assert (found.model.revision, found.method.model_extra) == ("v1", {"rank": 4})

    @pytest.mark.parametrize("model", ["c/d", "{id: c/d}"])
    @pytest.mark.parametrize("method", ["head", "{name: head}"])
    def test_another_model_or_method_leaves_the_settings_of_the_old(self, read, model, method):
        text = f"include: base.yaml\nmodel: {model}\nmethod: {method}\n"
        found = read(text, beside={"base.yaml": self.BASE})
        assert (found.model.id, found.model.revision) == ("c/d", None)
        assert (found.method.name, found.method.model_extra) == ("head", {})

    def test_a_block_adds_to_a_name_alone(self, read):
        found = read(
            "include: base.yaml\nmodel: {revision: v2}\nmethod: {rank: 8}\n",
            beside={"base.yaml": BASE + "method: lora\n"},
        )
        assert (found.model.id, found.model.revision) == ("owner/name", "v2")
        assert (found.method.name, found.method.model_extra) == ("lora", {"rank": 8})

    def test_a_name_is_found_in_the_library(self, read):
        found = read("include: text-classification\n", find=library.locate)
        assert found.scenario == "text-classification"
        assert Path(found.data.source).is_file()

    def test_faults_stand_in_the_file_that_has_them(self, faults):
        said = faults("include: base.yaml\nbad: 1\n", beside={"base.yaml": BASE + "worse: 1\n"})
        assert [line.partition(":  ")[0].split(": ")[0] for line in said] == [
            "base.yaml:4 worse",
            "recipe.yaml:2 bad",
        ]

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("include: bse.yaml\n", "there is no file bse.yaml. Did you mean 'base.yaml'?"),
            ("include: 3\n", "takes a file or a recipe's name, not 3"),
            ("include: [base.yaml]\n", "takes a file or a recipe's name"),
            ("include: text-clasification\n", "Did you mean 'text-classification'?"),
            ("include: nested.yaml\n", "one level is all there is"),
            ("include: recipe.yaml\n", "one level is all there is"),
        ],
    )
    def test_what_cannot_be_included(self, faults, text, what):
        beside = {"base.yaml": BASE, "nested.yaml": "include: base.yaml\n"}
        (fault,) = faults(text, beside=beside, find=library.locate)
        assert fault.startswith("recipe.yaml:1 include: ")
        assert what in fault


class TestSet:
    """--set a.b=c."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("[1, 2]", [1, 2]), ("{a: b}", {"a": "b"}), ("", None), (" a b ", "a b"),
            ("a=b", "a=b"), ("'007'", "007"), (";", ";"), (",", ","), ("|", "|"), ("#", "#"),
            ("-", "-"), ("\t", "\t"), ("?", "?"), ("[", "["), ("*", "*"), (" ", " "),
        ],
    )  # fmt: skip
    def test_values_are_typed_and_lone_signs_are_text(self, read, text, value):
        assert read(BASE, f"options.x={text}").options == {"x": value}

    def test_keys_above_are_made(self, read):
        assert read(BASE, "options.a.b.c=1").options == {"a": {"b": {"c": 1}}}

    def test_paths_are_relative_to_the_working_folder(self, read, tmp_path, monkeypatch):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        here = tmp_path / "elsewhere"
        assert read(BASE, "data.source=x.csv").data.source == str(here / "x.csv")
        assert read(BASE, "data=x.csv").data.source == str(here / "x.csv")
        assert read(BASE, "data.source=[x, hub:a/b]").data.source == [str(here / "x"), "hub:a/b"]
        assert read(BASE, "model=./m").model.id == str(here / "m")
        assert read(BASE, "seed=1").data.source == str(tmp_path / "rows.csv")

    def test_a_name_alone_becomes_a_block(self, read):
        found = read(BASE + "method: lora\n", "method.rank=4", "model.revision=v1")
        assert (found.method.name, found.method.model_extra) == ("lora", {"rank": 4})
        assert (found.model.id, found.model.revision) == ("owner/name", "v1")

    @pytest.mark.parametrize(
        "sets", [["method.name=head", "method.depth=2"], ["method.depth=2", "method.name=head"]]
    )
    def test_another_method_leaves_what_the_file_said_of_the_old(self, read, sets):
        found = read(BASE + "method: {name: lora, rank: 4}\n", *sets)
        assert (found.method.name, found.method.model_extra) == ("head", {"depth": 2})

    def test_the_last_one_wins(self, read):
        assert read(BASE + "seed: 1\n", "seed=2", "seed=3").seed == 3

    def test_faults_name_the_option(self, faults):
        sets = ["seed=abc", "foo=1", "data.sorce=1", "scenario.x=1", "report.metrics=f1"]
        said = faults(BASE, *sets)
        assert all(line.startswith("--set ") for line in said)
        assert len(said) == 5
        assert "--set scenario.x: cannot set a key inside scenario, which is 's'" in said

    def test_a_value_where_a_block_is_made_names_the_option(self, faults):
        assert faults(BASE, "seed.x=3") == ["--set seed: should be a valid integer, not {'x': 3}"]

    @pytest.mark.parametrize("text", ["x", "=3", "a..b=3", "a.=3", ".a=3", ""])
    def test_what_is_no_setting(self, text):
        with pytest.raises(RecipeError, match="write it as key.path=value"):
            parse_override(text)

    @pytest.mark.parametrize(
        "value", ["[1", "*a", "!x y", "@x", "'x", "9" * 5000, "[" * 700 + "]" * 700]
    )
    def test_a_value_that_is_no_yaml(self, value):
        with pytest.raises(RecipeError, match="--set a: the value is no YAML"):
            parse_override(f"a={value}")


@given(
    st.recursive(
        st.none() | st.booleans() | TEXT | st.integers() | st.floats(allow_nan=False)
        | st.sampled_from(["1e5", "1e-4", "no", "0x1f", "1_000", "2020-01-01", "~", "null", "010"]),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=10,
    )
)  # fmt: skip
def test_what_is_written_is_read_back_equal(value):
    assert yaml_text.construct(yaml_text.dump({"x": value})) == {"x": value}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "lorra"), "Error: --method: there is no method 'lorra'. Did you mean"),
        (("--set", "method=lorra"), "Error: --set method: there is no method 'lorra'."),
        (("--method", "distill"),
         "Error: --method, method.teacher: is missing: --set method.teacher=..."),
        (("--method", "lora", "--set", "method.rank=x"), "Error: --set method.rank: should be"),
        (("--method", "lora"), "Error: --method: lora builds upon what is pretrained"),
        (("--set", "method=lora"), "Error: method: lora builds upon what is pretrained"),
        (("--seed", "-1"), "Error: --seed: should be greater than or equal to 0"),
        (("--model", f"hf_{'x' * 30}"), "Error: --model: holds a token"),
    ],
)  # fmt: skip
def test_a_fault_names_the_option_that_was_written(words, said, tmp_path, capsys):
    import image_rows

    image_rows.folder(tmp_path / "photos", dict.fromkeys(image_rows.CLASSES, 12))
    asked = ["check", "image-classification", "--no-estimate", "--data", str(tmp_path / "photos")]
    assert outcome([*asked, *words]) == 2
    assert capsys.readouterr().err.startswith(said)


def test_settings_of_an_option_stay_where_a_recipe_has_its_own_for_other_data(tmp_path):
    """`--method` is given as `--set` is, wherever that counts."""
    from toolkit.recipe.library import find_recipe
    from toolkit.recipe.overrides import overrides

    (tmp_path / "r.yaml").write_text(
        "scenario: text-classification\nmodel: m\nmethod: {name: head}\ndata: {source: a.csv}\n"
        "only_for: {data: [method]}\n"
    )
    draft = find_recipe(str(tmp_path / "r.yaml"), overrides("b.csv", None, "full"))
    assert draft.values["method"] == {"name": "full"}

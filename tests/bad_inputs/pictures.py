"""Pictures that are none, tables and folders of pictures that cannot be used, and wrong options."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from bad_inputs.case import Case, Content, fifo, folder, link, parquet
from PIL import Image

COMMAND = ("check", "image-classification", "--no-estimate")
CLASSES = ("cat", "dog")
EACH = 12
NAMES = [(f"{kind}/{n:02}.png", kind) for kind in CLASSES for n in range(EACH)]


def png(seed: int, form: str = "png") -> bytes:
    """Return a small picture of noise as a file."""
    values = np.random.default_rng(seed).integers(0, 255, (12, 12), np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG of some bytes that says it is `side` pixels high and wide."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(body)) + name + body
              + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


GOOD: Mapping[str, Content] = {f"p/{name}": png(n) for n, (name, _) in enumerate(NAMES)}
PNG = png(99)


def photos(name: str, change: Mapping[str, Content | None], place: str, *says: str,
           sets: tuple[str, ...] = (), apart: bool = False) -> Case:  # fmt: skip
    """Return a case of a folder `p` of pictures a class, some of them replaced or (None) gone."""
    files = {**GOOD, **change}
    words = [*COMMAND, "--data", "p", *(part for text in sets for part in ("--set", text))]
    kept = {path: content for path, content in files.items() if content is not None}
    return Case(name, words, place, says, kept, apart=apart)


def listed(name: str, lines: list[str], place: str, *says: str, head: str = "image,label",
           sets: tuple[str, ...] = (),
           beside: Mapping[str, Content] | None = None) -> Case:  # fmt: skip
    """Return a case of a table `p/list.csv` of pictures beside it: good lines, then these."""
    good = [f"{path},{kind}" for path, kind in NAMES]
    table = "\n".join([head, *good, *lines]) + "\n"
    words = [*COMMAND, "--data", "p/list.csv", *(part for text in sets for part in ("--set", text))]
    files = {**GOOD, **(beside or {}), "p/list.csv": table}
    return Case(name, words, place, says, files)


def option(name: str, text: str, place: str, *says: str) -> Case:
    """Return a case of good pictures and one wrong setting."""
    return photos(name, {}, place, *says, sets=(text,))


def none_of(kind: str) -> dict[str, Content | None]:
    """Return the change that takes a class's pictures away."""
    return {f"p/{path}": None for path, label in NAMES if label == kind}


JPEG = png(7, "jpeg")
FILES = [
    photos("no picture", {"p/cat/03.png": b"<html>not found</html>"}, "p/cat/03.png",
           "not a readable image", "options.on_corrupt"),
    photos("an empty file", {"p/cat/03.png": b""}, "p/cat/03.png", "the file is empty"),
    photos("half a png", {"p/cat/03.png": PNG[: len(PNG) // 2]}, "p/cat/03.png"),
    photos("half a jpeg", {"p/dog/x.jpg": JPEG[: len(JPEG) // 2]}, "p/dog/x.jpg"),
    photos("a png's first eight bytes", {"p/dog/x.png": PNG[:8]}, "p/dog/x.png"),
    photos("a text named jpg", {"p/dog/x.jpg": "hello"}, "p/dog/x.jpg", "not a readable image"),
    photos("a svg named png", {"p/dog/x.png": "<svg xmlns='http://www.w3.org/2000/svg'/>"},
           "p/dog/x.png", "not a readable image"),
    photos("a pdf named png", {"p/dog/x.png": "%PDF-1.7\n"}, "p/dog/x.png", "not a readable image"),
    photos("an EPS named png, which would run Ghostscript",
           {"p/dog/x.png": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"},
           "p/dog/x.png"),
    photos("a picture of 2^31 pixels a side", {"p/dog/x.png": bomb(2**31 - 1)}, "p/dog/x.png",
           "pixels", apart=True),
    photos("a picture of 20,000 pixels a side", {"p/dog/x.png": bomb(20_000)}, "p/dog/x.png",
           "pixels"),
    photos("a picture of 9,500 pixels a side", {"p/dog/x.png": bomb(9_500)}, "p/dog/x.png",
           "pixels"),
    photos("a picture without a pixel", {"p/dog/x.png": bomb(0)}, "p/dog/x.png"),
    photos("a picture whose header lies", {"p/dog/x.png": bomb(500)}, "p/dog/x.png"),
    photos("a wrong checksum", {"p/dog/x.png": PNG[:40] + b"\0\0\0\0" + PNG[44:]}, "p/dog/x.png"),
    photos("a name that breaks the terminal", {"p/dog/\x1b[31mx.png": b"no"},
           "p/dog/\\x1b[31mx.png", "not a readable image"),
    photos("a class that breaks the terminal", {"p/\x1b]0;a\x07/x.png": b"no"},
           "p/\\x1b]0;a\\x07/x.png", "not a readable image"),
    photos("many that are none", {f"p/dog/x{n}.png": b"no" for n in range(40)}, "p/dog/x0.png",
           "20 more images cannot be read"),
    photos("all of them none, to be skipped", dict.fromkeys(GOOD, b"no"), "train",
           "no row can be used", sets=("options.on_corrupt=skip",)),
    photos("a class all of none, to be skipped",
           {f"p/{path}": b"" for path, kind in NAMES if kind == "cat"}, "train",
           "one class", sets=("options.on_corrupt=skip",)),
]  # fmt: skip

FOLDERS = [
    photos("a folder with a typo", {"photos/cat/a.png": PNG}, "/photoss", "there is no such file",
           "Did you mean 'photos'", sets=("data.source=photoss",)),
    photos("an empty folder", {**dict.fromkeys(GOOD), "p": folder}, "/p", "no folder a class"),
    photos("class folders without pictures",
           {**dict.fromkeys(GOOD), "p/cat/a.txt": "x", "p/dog/b.txt": "x"}, "/p",
           "no folder a class with files in it", ".png"),
    photos("pictures of another kind", {**dict.fromkeys(GOOD), "p/cat/a.heic": PNG,
           "p/dog/b.heic": PNG}, "/p", "files that count", ".webp"),
    photos("pictures side by side", {**dict.fromkeys(GOOD), "p/a.png": PNG, "p/b.png": PNG},
           "/p", "2 files side by side", "one folder"),
    photos("one class alone", none_of("cat"), "train", "one class"),
    photos("one picture in all", {**dict.fromkeys(GOOD), "p/cat/a.png": PNG}, "row"),
    photos("links to nothing", {**dict.fromkeys(GOOD), "p/cat/a.png": link("gone.png")}, "/p",
           "no folder a class"),
    photos("a pipe among pictures", {**dict.fromkeys(GOOD), "p/cat/a.png": fifo}, "/p",
           "no folder a class"),
    photos("a device without an end", {**dict.fromkeys(GOOD), "p/cat/a.png": link("/dev/zero")},
           "/p", "no folder a class"),
    photos("splits without train", {**dict.fromkeys(GOOD), "p/test/cat/a.png": PNG,
           "p/test/dog/b.png": PNG, "p/val/cat/a.png": PNG}, "/p", "none for train"),
    photos("two folders for one split", {**dict.fromkeys(GOOD), "p/train/cat/a.png": PNG,
           "p/training/dog/b.png": PNG}, "/p", "several folders for one split"),
    photos("a map of what are no splits", {}, "data.source", "not pictures",
           sets=("data.source={pictures: p}",)),
    photos("a picture in place of a table", {}, "00.png", "no table that can be read",
           sets=("data.source=p/cat/00.png",)),
]  # fmt: skip

TABLES = [
    listed("a picture that is not there", ["cat/99.png,cat"], "p/list.csv row 25",
           "there is no file 'cat/99.png'", "Did you mean"),
    listed("a folder that is not there", ["fox/1.png,fox"], "p/list.csv row 25",
           "The folder", "does not exist"),
    listed("many that are not there", [f"gone{n}.png,cat" for n in range(30)], "p/list.csv row 25",
           "20 more files are missing", "relative to"),
    listed("a path that leads out to nothing", ["../../../../../gone.png,cat"],
           "p/list.csv row 25", "there is no file"),
    listed("a path to what is no picture", ["/etc/passwd,cat"], "/etc/passwd",
           "not a readable image"),
    listed("a path to a device without an end", ["/dev/zero,cat"], "p/list.csv row 25",
           "no plain file"),
    listed("a path to a pipe", ["pipe.png,cat"], "p/list.csv row 25", "no plain file",
           beside={"p/pipe.png": fifo}),
    listed("a path to a folder", ["cat,cat"], "p/list.csv row 25", "'cat'"),
    listed("a path with a NUL", ["a\0b.png,cat"], "list.csv:26", "NUL"),
    listed("a path that is too long", ["x" * 5000 + ".png,cat"], "p/list.csv row 25",
           "there is no file"),
    listed("an address", ["https://example.com/a.png,cat"], "p/list.csv row 25",
           "there is no file 'https://example.com/a.png'"),
    listed("a path that breaks the terminal", ["\x1b[2J.png,cat"], "p/list.csv row 25",
           "\\x1b[2J.png"),
    listed("no such column", [], "options.image", "no column 'image'", "picture, label",
           head="picture,label"),
    listed("a column with a typo", [], "options.image", "Did you mean 'image'",
           sets=("options.image=imgae",)),
    listed("picture and label changed about", [], "p/list.csv row 1", "'cat' is a folder",
           sets=("options.image=label", "options.label=image")),
    listed("picture and label the same", [], "options.image", "as is options.label",
           sets=("options.label=image",)),
    listed("every picture a class of its own", [], "label", sets=("options.image=image",
           "options.label=path"), head="image,kind"),
    Case("numbers for pictures", (*COMMAND, "--data", "a.parquet"), "a.parquet",
         ("files are expected, as paths or as their bytes",),
         {"a.parquet": parquet({"image": [0.5] * 40, "label": ["a", "b"] * 20})}),
    Case("lists of pixels for pictures", (*COMMAND, "--data", "a.parquet"), "a.parquet",
         ("files are expected",),
         {"a.parquet": parquet({"image": [[1, 2]] * 40, "label": ["a", "b"] * 20})}),
    Case("bytes that are no pictures", (*COMMAND, "--data", "a.parquet"), "train row 1",
         ("not a readable image",),
         {"a.parquet": parquet({"image": [b"no"] * 40, "label": ["a", "b"] * 20})}),
    Case("objects without bytes or path", (*COMMAND, "--data", "a.parquet"), "a.parquet",
         ("objects (url)",),
         {"a.parquet": parquet({"image": [{"url": "x"}] * 40, "label": ["a", "b"] * 20})}),
]  # fmt: skip

OPTIONS = [
    option("an option with a typo", "options.agument=null", "options.agument",
           "Did you mean 'augment'"),
    option("a change of pictures with a typo", "options.augment.mixupp=1", "options.augment.mixupp",
           "Did you mean 'mixup'"),
    option("a policy that is none", "options.augment={policy: autoaugment}",
           "options.augment.policy", "trivial_augment"),
    option("a mirror that is none", "options.augment.flip=diagonal", "options.augment.flip",
           "horizontal"),
    option("a share above 1", "options.augment.crop=1.5", "options.augment.crop", "1"),
    option("a mixup below 0", "options.augment.mixup=-1", "options.augment.mixup", "greater than"),
    option("a size of one pixel", "options.size=1", "options.size", "8"),
    option("a size without an end", "options.size=1000000", "options.size", "4096"),
    option("a size that is a text", "options.size=large", "options.size", "integer"),
    option("a way with corrupt files that is none", "options.on_corrupt=ignore",
           "options.on_corrupt", "'error' or 'skip'"),
    option("a class with a typo", "options.positive=dgo", "options.positive",
           "Did you mean 'dog'"),
    option("an operating point that is none", "options.operating_point=best",
           "options.operating_point", "write youden"),
    option("a sensitivity above 1", "options.operating_point=sensitivity >= 95",
           "options.operating_point", "sensitivity >= 0.95"),
    option("weights of classes that are not there", "options.class_weights={cat: 1, fox: 2}",
           "options.class_weights", "names fox; the classes are cat, dog"),
    option("a weight below 0", "options.class_weights={cat: -1}", "options.class_weights", "0"),
    option("a metric with a typo", "report.metrics=[sensitvity]", "report.metrics",
           "Did you mean 'sensitivity'"),
    option("a model of texts", "model={model}", "preprocessor_config.json", "an image model"),
    option("a config of texts", "model={from_config: {model_type: bert}}",
           "cannot be loaded for image-classification"),
    option("a head alone of nothing pretrained", "method=head", "method",
           "builds upon what is pretrained"),
    option("an adapter on nothing pretrained", "method=lora", "method",
           "builds upon what is pretrained"),
]  # fmt: skip

KINDS = {"file": FILES, "folder": FOLDERS, "table": TABLES, "option": OPTIONS}
CASES = [
    Case(f"{kind}: {case.name}", *list(vars(case).values())[1:])
    for kind, cases in KINDS.items()
    for case in cases
]

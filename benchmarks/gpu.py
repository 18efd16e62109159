"""The toolkit on one GPU, against raw loops, the stock Trainer and pipelines, in six minutes.

    python benchmarks/gpu.py [--out FILE] [--seconds 360] [--toy] [SECTION ...]

Sections, in the order of their worth: bert, check, vit, predict, modernbert, resume, serve, lora.
Prints a JSON line for each figure: goal, measured, met (null where there is no goal). A section for
which the seconds no longer suffice is skipped, one that fails prints its error, and the next goes
on; the exit code is then 1. The toolkit's side is always a process of its own, as users start it.
Needs no network: models are made from configs, texts and pictures in code. --toy: tiny models and
few rows, also on a CPU; such figures mean nothing. benchmarks/README.md says what the lines mean,
and `pack_gpu.sh` packs what a machine without network lacks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true")  # before they are imported

from on_gpu import children, inputs
from on_gpu.bench import LENGTH, Bench

CLIENTS, PROCESSES = 64, 4


def training(bench: Bench, kind: str, stock: dict[str, tuple[int, bool]]) -> None:
    """Compare training of a text model: raw loops, the stock Trainer, the toolkit's default.

    Args:
        stock: name -> batch and bf16, of the stock Trainer; "bf16 32" is what counts.
    """
    import torch
    from on_gpu import sides

    from toolkit.models.structure import training_flops

    sizes, folder = bench.sizes, bench.model(kind)
    rows = sides.TextRows.read(bench.texts(kind) / "train.csv", folder, LENGTH)
    work = training_flops(sides.classifier(folder)) or 0

    def mfu(rate: float) -> float:
        return work * rows.tokens * rate / bench.peak()

    raw = None
    for batch in sizes.batches:
        try:
            pace = sides.raw_loop(folder, rows, batch, sizes.steps)
        except torch.OutOfMemoryError as error:  # 1,024 rows take about 100 GiB
            raw = None
            bench.say(f"raw loop {batch}", error=str(error)[:300])
            continue
        raw = pace.rows
        bench.say(f"raw loop {batch}", raw, unit="rows/s", mfu=mfu(raw), memory=pace.memory)
    rates = {}
    for name, (batch, bf16) in stock.items():
        pace = sides.stock_texts(folder, rows, batch, sizes.steps, bf16)
        rates[name] = pace.rows
        bench.say(f"stock {name}", pace.rows, unit="rows/s", mfu=mfu(pace.rows), memory=pace.memory)
    run = bench.trained(kind)
    bench.say("toolkit default", run.rate, unit="rows/s", memory=run.memory, wall=run.wall,
              tokens=rows.tokens, speed=run.record["speed"], devices=run.record["devices"],
              reload=run.record["reload"], resources=run.record["resources"])  # fmt: skip
    bench.say("toolkit default to stock bf16 32", run.rate / rates["bf16 32"], at_least=3)
    part = run.rate / raw if raw else None
    bench.say(f"toolkit default to raw loop {sizes.batches[-1]}", part, at_least=0.8)
    bench.say("toolkit default MFU", mfu(run.rate), at_least=0.3, peak=bench.peak())
    bench.say("fixed cost", run.fixed, at_most=10, unit="s")


def bert(bench: Bench) -> None:
    """Compare training of BERT-base."""
    training(bench, "bert", {"fp32 32": (32, False), "bf16 32": (32, True), "bf16 64": (64, True)})


def modernbert(bench: Bench) -> None:
    """Compare training of ModernBERT-base."""
    training(bench, "modernbert", {"bf16 32": (32, True), "bf16 64": (64, True)})


def check(bench: Bench) -> None:
    """Compare what `toolkit check` predicts of the run on BERT-base with what came."""
    run = bench.trained("bert")
    told, wall = children.check(bench.recipe("bert"), bench.left())
    bench.say("memory told by check, part off", abs(told["memory"] / run.memory - 1), at_most=0.15,
              told=told["memory"], came=run.memory)  # fmt: skip
    came = run.record["speed"]["total_seconds"]
    bench.say("seconds told by check, part off", abs(told["total"] / came - 1), at_most=0.2,
              told=told["total"], came=came, parts=told["parts"], wall=wall)  # fmt: skip


def vit(bench: Bench) -> None:
    """Compare training of ViT-base on pictures; decoding them counts on both sides."""
    from on_gpu import sides

    sizes, epochs = bench.sizes, 2
    folder = inputs.picture_model(bench.work / "vit", bench.toy)
    pictures = inputs.picture_folder(
        bench.work / "pictures", sizes.pictures, sizes.test, sizes.side
    )
    pace = sides.stock_pictures(folder, pictures, 32, sizes.steps, bench.work / "cache")
    bench.say("stock bf16 32", pace.rows, unit="pictures/s", memory=pace.memory)
    recipe = bench.written("vit", (
        "scenario: image-classification", f"model: {folder}", f"data: {{source: {pictures}}}",
        f"training: {{num_train_epochs: {epochs}, learning_rate: 5.0e-5}}",
    ))  # fmt: skip
    run = children.train(recipe, bench.work / "run-vit", bench.left())
    speed = run.record["speed"]
    phases = speed["phases"]
    rate = epochs * sizes.pictures / (phases["prepare"] + sizes.pictures * epochs / run.rate)
    bench.say("toolkit default", rate, unit="pictures/s", in_training=run.rate, speed=speed,
              memory=run.memory, wall=run.wall, reload=run.record["reload"])  # fmt: skip
    bench.say("toolkit default to stock bf16 32", rate / pace.rows, at_least=2)


def predict(bench: Bench) -> None:
    """Compare `toolkit predict` with a pipeline: what more rows take, as starting takes its own."""
    from on_gpu import sides

    sizes, run = bench.sizes, bench.trained("bert").path
    few, labels = inputs.texts(sizes.few, seed=10)
    piped = sides.pipeline_rate(run / "model", few[: sizes.piped], 32, LENGTH)
    bench.say("pipeline 32", piped, unit="rows/s")
    files = {}
    for count in (sizes.few, sizes.many):
        times = count // sizes.few
        rows = (few * times, labels * times)
        files[count] = inputs.write_rows(bench.work / f"{count}.csv", rows)

    def took(count: int, *more: str) -> float:
        out = bench.work / f"predicted-{count}{''.join(more)}.csv"
        words = ("predict", run, files[count], "-o", out, "--quiet", *more)
        return children.toolkit(*words, seconds=bench.left())[1]

    start = took(sizes.few)
    for name, more in (("default", []), ("bfloat16", ["--dtype", "bfloat16"])):
        whole = took(sizes.many, *more)
        # Less than starting varies by is no measurement.
        rate = (sizes.many - sizes.few) / (whole - start) if whole > start else None
        bench.say(f"toolkit {name}", rate, unit="rows/s", wall_few=start, wall_many=whole)
        bench.say(f"toolkit {name} to pipeline 32", rate and rate / piped,
                  at_least=5 if name == "default" else None)  # fmt: skip


def resume(bench: Bench) -> None:
    """Compare the weights of a run that was killed and resumed with those of one that was not."""
    import torch
    from safetensors.torch import load_file

    recipe = bench.recipe("small", 3)
    whole, killed = bench.work / "run-whole", bench.work / "run-killed"
    step = children.train_interrupted(recipe, killed, bench.left())
    children.train(recipe, whole, bench.left())
    one, other = (load_file(run / "model" / "model.safetensors") for run in (whole, killed))
    names = one.keys() | other.keys()
    different = [name for name in names if not torch.equal(one[name], other[name])]
    bench.say("weights that differ after a kill", len(different), at_most=0, of=len(names),
              resumed_after_step=step)  # fmt: skip


def serve(bench: Bench) -> None:
    """Compare a server under load with a pipeline that takes one text after the other."""
    from on_gpu import sides

    run, seconds = bench.trained("bert").path, bench.sizes.serving
    texts = inputs.texts(400, seed=20)[0]
    alone = sides.pipeline_rate(run / "model", texts[: bench.sizes.few], 1, LENGTH)
    bench.say("pipeline 1", alone, unit="rows/s")
    bodies = bench.work / "bodies.jsonl"
    bodies.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    with children.served(run, bench.left()) as url:
        children.load(url, bodies, 1, CLIENTS, PROCESSES)
        found = children.load(url, bodies, seconds, CLIENTS, PROCESSES)
    took, rate = found["milliseconds"], len(found["milliseconds"]) / seconds
    bench.say(f"serve, {CLIENTS} clients", rate, unit="rows/s", median_ms=took[len(took) // 2],
              p99_ms=took[int(len(took) * 0.99)])  # fmt: skip
    bench.say(f"serve, {CLIENTS} clients, to pipeline 1", rate / alone, at_least=3)
    bench.say("failed requests", found["failed"], at_most=0)


def lora(bench: Bench) -> None:
    """Train BERT-base with LoRA; the first lines of `bert` are what to compare it with."""
    run = children.train(
        bench.recipe("bert"), bench.work / "run-lora", bench.left(), "--method", "lora"
    )
    bench.say("toolkit lora", run.rate, unit="rows/s", memory=run.memory, wall=run.wall,
              reload=run.record["reload"])  # fmt: skip


#: Section -> the seconds it takes on one H200, by estimate, beside those of the run on BERT-base
#: that some of them share; and whether it needs that.
SECTIONS: dict[Callable[[Bench], None], tuple[int, bool]] = {
    bert: (35, True), check: (25, True), vit: (40, False), predict: (45, True),
    modernbert: (50, False), resume: (40, False), serve: (28, True), lora: (30, False),
}  # fmt: skip
SHARED = 35


def attempt(bench: Bench, section: Callable[[Bench], None]) -> bool:
    """Run a section, if the time suffices; return whether it did not fail."""
    bench.section, start = section.__name__, time.monotonic()
    own, shares = SECTIONS[section]
    need = own + (SHARED if shares and not bench.has("run-bert") else 0)
    if bench.left() < need:
        bench.say("skipped", needs_seconds=need, seconds_left=bench.left())
        return True
    try:
        section(bench)
    except Exception as error:
        bench.say("failed", error=str(error)[-1500:], where=traceback.format_exc()[-600:])
        return False
    finally:
        bench.say("seconds", time.monotonic() - start, estimated=need)
    return True


def machine(toy: bool) -> dict[str, Any]:
    """Return what the figures depend on."""
    import torch
    import transformers

    from toolkit.utils.packages import __version__

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"gpu": gpu, "toy": toy, "cores": os.cpu_count(), "python": platform.python_version(),
            "torch": torch.__version__, "transformers": transformers.__version__,
            "toolkit": __version__}  # fmt: skip


def main() -> None:
    """Run the sections that are asked for, or all."""
    start, known = time.monotonic(), {section.__name__: section for section in SECTIONS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(known))
    parser.add_argument("--out", type=Path, help="a JSON file of all lines")
    parser.add_argument("--seconds", type=float, default=360, help="for all of it (360)")
    parser.add_argument("--toy", action="store_true", help="tiny models, also on a CPU")
    given = parser.parse_args()
    if wrong := [name for name in given.sections if name not in known]:
        parser.error(f"no section {', '.join(wrong)}; there are {', '.join(known)}")
    from common import quiet

    quiet()
    import torch

    if not (given.toy or torch.cuda.is_available()):
        parser.error("torch sees no GPU; --toy tries the script on a CPU")
    with tempfile.TemporaryDirectory(prefix="toolkit-gpu-") as work:
        os.environ["HF_DATASETS_CACHE"] = f"{work}/cache"
        bench = Bench(given.toy, Path(work), given.out, given.seconds - (time.monotonic() - start))
        bench.section = "machine"
        bench.say("machine", **machine(given.toy))
        went = [attempt(bench, known[name]) for name in given.sections or known]
        bench.section = "all"
        bench.say("seconds", time.monotonic() - start, at_most=given.seconds)
    sys.exit(not all(went))


if __name__ == "__main__":
    main()

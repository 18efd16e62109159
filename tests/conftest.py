"""No network, caches of their own, and tiny real models made in code."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Before any Hugging Face library reads them.
_CACHE = tempfile.mkdtemp(prefix="toolkit-tests-")
os.environ.update(HF_HOME=_CACHE, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ.pop("HF_DATASETS_CACHE", None)
# Tests run side by side; two processes that each use all cores slow each other down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import random  # noqa: E402 - see above
import warnings  # noqa: E402

import pytest  # noqa: E402

# Some of these warn at import, of things that are theirs to mend; what they warn of when our code
# calls them still fails a test.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import evaluate  # noqa: F401
    import transformers

    transformers.Trainer  # noqa: B018 - imported when first named

from toolkit.runs import verify  # noqa: E402
from toolkit.testing import interruptions  # noqa: E402
from toolkit.testing.forked_runs import ForkServer  # noqa: E402
from toolkit.utils import distributed  # noqa: E402

# What pytest says of the test at hand, and what libraries set when they are imported.
UNLIKE = ("PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")


@pytest.fixture(scope="session", autouse=True)
def copies_in_place_of_processes():
    """Make runs to be killed, and load saved models again, in copies of one warm process.

    Importing the libraries is most of what those cost with tiny rows. Where a test has changed the
    environment, and in whatever runs in a process of its own, they are fresh ones, as for users.
    """

    def here():
        return {name: value for name, value in distributed.alone_environment().items()
                if name not in UNLIKE}  # fmt: skip

    environment, started = here(), False
    copies = ForkServer(environment)

    def in_copies(usual, module):
        def run(arguments, *further):
            nonlocal started
            if here() != environment or any(further):
                return usual(arguments, *further)
            if not started:
                copies.start()
                started = True
            return copies.run(arguments, module)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((verify, "in_a_fresh_process"), (interruptions, "process")):
            patch.setattr(module, name, in_copies(getattr(module, name), module.__name__))
        yield
    copies.close()


WORDS = {
    "fruit": ["apple", "pear", "plum", "cherry", "grape", "melon"],
    "tool": ["hammer", "saw", "drill", "wrench", "file", "chisel"],
    "bird": ["robin", "crow", "heron", "finch", "swift", "stork"],
}
FILLERS = ["the", "a", "old", "new", "red", "my", "one", "is", "here", "there"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A BERT of two layers with random weights and a vocabulary written by hand."""
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


def tiny_bert(folder: Path) -> Path:
    """Save that model to a folder, and return it."""
    words = [*FILLERS, *(word for group in WORDS.values() for word in group)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = transformers.BertTokenizer(
        vocab={word: place for place, word in enumerate(vocabulary)}, model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return (text, label) rows that a tiny model can learn: one word tells the class."""
    rng = random.Random(seed)
    rows = {}
    while len(rows) < count:
        label = rng.choice(list(WORDS))
        words = rng.choices(FILLERS, k=rng.randint(2, 7))
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS[label]))
        rows[" ".join(words)] = label
    return list(rows.items())


@pytest.fixture
def table(tmp_path) -> Path:
    """A csv of 160 learnable rows."""
    path = tmp_path / "things.csv"
    lines = ["text,label", *(f"{text},{label}" for text, label in sentences(160))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

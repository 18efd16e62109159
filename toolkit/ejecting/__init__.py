"""`toolkit eject`: one plain script that trains what a run would train, to the same weights.

The frame (`script.py.jinja` and what it includes) says what the core does: rows, splits, settings,
methods, the Trainer. A scenario's own part is a template beside its module, `NAME.script.py.jinja`
for `NAME.py`, which extends the frame. Before a script is given out, what it makes (model inputs,
settings, the model before the first step) is compared with what the run would make.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, PluginError, UserError

if TYPE_CHECKING:
    import jinja2

    from toolkit.job import Job, Overrides
    from toolkit.plugin import Plugin

HERE = Path(__file__).parent
SUFFIX = ".script.py.jinja"
#: Where names in scripts come from; a scenario adds its own by plain imports.
IMPORTS = (
    "import copy",
    "import csv",
    "import gzip",
    "import inspect",
    "import json",
    "import sys",
    "from functools import partial",
    "from pathlib import Path",
    "from concurrent.futures import ThreadPoolExecutor",
    "import datasets",
    "import numpy as np",
    "import peft",
    "import torch",
    "import transformers",
    "from peft.tuners.tuners_utils import BaseTunerLayer",
    "from scipy.optimize import minimize",
    "from sklearn import metrics",
    "from torch.nn import functional",
    "from transformers import AutoConfig",
    "from transformers import DataCollatorWithPadding",
    "from transformers import EarlyStoppingCallback",
    "from transformers import Trainer",
    "from transformers import TrainingArguments",
    "from transformers import default_data_collator",
    "from transformers.modeling_outputs import SequenceClassifierOutput",
)


def eject(name: str, overrides: Overrides = (), command: str = "") -> str:
    """Return the script of a recipe.

    Args:
        name: of a recipe, or the path of its file. overrides: (key path, value) pairs.
        command: the words behind `toolkit eject`, for the script's first line.

    Raises:
        UserError: what the user has to mend, or all that a script cannot say of the recipe.
    """
    from jinja2 import TemplateError

    from toolkit import fitting, job, library
    from toolkit.ejecting import proof

    library.find(name, overrides)  # a wrong name is told before seconds of imports
    template = _template(job.resolve(name, overrides)[2])
    found = job.check(name, overrides)
    before = proof.Before.of(found)
    fitting.apply_method(found)
    try:
        text = _written(found, template.read_text(encoding="utf-8"), before, command)
    except TemplateError as error:
        raise PluginError(f"{template}: {type(error).__name__}: {error}") from error
    proof.check(text, found)
    return text


def _template(plugin: Plugin[Any]) -> Path:
    """Return the file of the scenario's part.

    Raises:
        PluginError: it has none.
    """
    cls, scenario = type(plugin), plugin.recipe.scenario if plugin.recipe else ""
    module = Path(inspect.getfile(cls))
    path = module.with_name(module.stem + SUFFIX)
    if not path.is_file():
        raise PluginError(
            f"scenario {scenario!r} has no script to print: {cls.__name__} brings no "
            f"{path.name} beside {module.name} (see docs/eject.md)"
        )
    return path


def _environment() -> jinja2.Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from toolkit.ejecting import scores
    from toolkit.ejecting.source import constants, literal

    # What comes from others enters by `literal` and `constants`; there is nothing to escape.
    made = Environment(  # noqa: S701
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.globals.update(
        constants=constants, literal=literal, dict=dict,
        expressions=scores.expressions, of_scores=scores.OF_SCORES,
    )  # fmt: skip
    return made


def _written(job: Job, template: str, before: Any, command: str) -> str:
    from toolkit.ejecting import covered, source
    from toolkit.ejecting.facts import Facts
    from toolkit.ejecting.reading import Reading

    environment = _environment()
    made = environment.from_string(template)
    faults: list[Fault] = covered.faults(job, set(made.blocks))

    def refuse(where: str, what: str) -> str:
        faults.append(Fault(where, what))
        return ""

    facts = Facts.of(job, before, refuse)
    facts.own = "trainer" in made.blocks
    data = Reading.of(job, refuse)
    context = {
        "facts": facts, "data": data, "recipe": job.recipe, "plugin": job.plugin,
        "options": job.plugin.options, "arguments": job.arguments, "refuse": refuse,
        "splits": job.loaded.splits, "prepared": job.prepared,
        "metrics": covered.metrics(job),
    }  # fmt: skip
    body = made.render(context)
    if faults:
        raise UserError(list(dict.fromkeys(faults)))
    script = source.with_imports(body, IMPORTS)
    return f"{covered.head(job, command, source.modules(script))}\n\n{script}"

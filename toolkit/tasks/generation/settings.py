"""The generation config that counts: the model's own, with the recipe's settings over it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from toolkit.errors import Fault, RecipeError
from toolkit.tasks.generation.options import BEAMS, SAMPLING


def apply(
    model: Any,
    tokenizer: Any,
    given: Mapping[str, Any],
    usual: int,
    room: int | None,
    own: Mapping[str, Any],
) -> None:
    """Set a model's generation config, so that `save_pretrained` writes it beside the weights.

    Args:
        given: what the recipe sets.
        usual: tokens of the longest text, unless the recipe sets another number.
        room: the model's positions for a text; None where there is no limit.
        own: what the scenario sets itself: the token of the target language, and the like.

    Raises:
        RecipeError: settings that do not go together, or not with the model's positions.
    """
    _check_room(given, room)
    found = copy.deepcopy(model.generation_config)
    found._from_model_config = False  # else transformers may take it from the config again
    for name in ("pad", "eos", "bos"):
        key = f"{name}_token_id"
        if getattr(found, key) is None:
            setattr(found, key, getattr(tokenizer, key))
    # Without one, texts end after 20 tokens; a minimum in tokens of all would count the prompt.
    limits = {"max_new_tokens": usual, "max_length": None}
    limits |= {"min_length": None} if "min_new_tokens" in given else {}
    for name, value in {**limits, "use_cache": True, **own, **given}.items():
        setattr(found, name, value)
    beams, sampled = (found.num_beams or 1) > 1, bool(found.do_sample)
    if beams and sampled:  # one of them is the model's own
        if "num_beams" in given:
            found.do_sample = sampled = False
        else:
            found.num_beams, beams = 1, False
    # What a model's file has for a search that is not the one in use would not be saved.
    for names, used in ((SAMPLING, sampled), (BEAMS, beams)):
        for name in names:
            if not used and name in given:
                needs = "do_sample: true" if names is SAMPLING else "num_beams above 1"
                raise RecipeError(Fault(f"options.generation.{name}", f"needs {needs}"))
            if not used:
                setattr(found, name, None)
    try:
        found.validate(strict=True)
    except ValueError as error:
        reason = next(iter(str(error).splitlines()), "")
        raise RecipeError(Fault("options.generation", reason)) from None
    model.generation_config = found


def _check_room(given: Mapping[str, Any], room: int | None) -> None:
    names = ("max_new_tokens", "min_new_tokens")
    faults = [Fault(f"options.generation.{name}",
                    f"is {given[name]}, and the model has positions for {room} tokens of a text")
              for name in names if room is not None and given.get(name, 0) > room]  # fmt: skip
    if faults:
        raise RecipeError(faults)

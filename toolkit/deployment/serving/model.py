"""A served model: its columns and facts, and predictions for several requests at once."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import HTTPException

from toolkit.data import prediction_rows
from toolkit.deployment.serving.batcher import Rows
from toolkit.deployment.serving.fields import Fields
from toolkit.deployment.serving.samples import samples, threshold
from toolkit.deployment.serving.worker import DiedError, as_error
from toolkit.errors import UserError
from toolkit.plugin import Plugin
from toolkit.plugin_types import columns
from toolkit.reporting import shown
from toolkit.runs.folder import Run
from toolkit.runs.predictor import Predictor

if TYPE_CHECKING:
    import datasets

    from toolkit.plugin_types import Prediction


log = logging.getLogger("toolkit.deployment.serving")


class Rejected(NamedTuple):
    """In the place of a prediction: why there is none."""

    why: str


Answers = list["Prediction | Rejected"]


#: Whether anybody waits for what this thread predicts; one that was left behind has its own.
_wanted: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=lambda: True)


class UnwantedError(Exception):
    """Nobody waits for the predictions any more."""


class Served:
    """A model under a name.

    Args:
        load: loads the model of the run, again where it has failed.

    Raises:
        UserError: as `load` does.
    """

    def __init__(self, name: str, run: Run, load: Callable[[], Predictor]) -> None:
        self.name, self.run, self._load = name, run, load
        self._use(load())
        self.fields = Fields(self.restored.plugin)
        self.samples = samples(run, self.fields)
        self.threshold = threshold(run, self.restored.plugin)
        plugin = type(self.restored.plugin)
        # A plugin that derives columns from other rows must not see those of other requests.
        self._apart = plugin.add_features is not Plugin.add_features

    def info(self) -> dict[str, Any]:
        """Return the model's scores, baselines and columns, as in run.json."""
        record = self.run.record
        return {
            "name": self.name,
            "scenario": record.get("scenario"),
            "pretrained": (record.get("model") or {}).get("id"),
            "metrics": record.get("metrics", {}).get("test", {}),
            "baselines": record.get("baselines", {}),
            "rows": record.get("data", {}).get("rows", {}),
            "columns": [{name: getattr(field, name) for name in ("name", "kind", "description")}
                        for field in self.fields.fields],
            "example": self.fields.example,
        }  # fmt: skip

    def answers(
        self, requests: Sequence[Rows], wanted: Callable[[], bool]
    ) -> list[Answers | Exception]:
        """Return for each request its predictions, with `Rejected` for rows; or its error.

        Args:
            wanted: is asked before each pass of the model; where it is False, the work is given up.
        """
        token = _wanted.set(wanted)
        try:
            return self._answers(requests)
        finally:
            _wanted.reset(token)

    def restore(self, afresh: bool) -> None:
        """Load the model again, where it is to be or cannot predict its example.

        Raises:
            Exception: whatever its loading, or its prediction, raises.
        """
        if afresh or self._fails() is not None:
            self._use(self._load())
            if fault := self._fails():
                raise fault

    def _use(self, restored: Predictor) -> None:
        self.restored = restored
        rounded = restored.rounding.models if restored.rounding else ()
        for model in (restored.plugin.model, *restored.others, *rounded):
            model.register_forward_pre_hook(_give_up_unwanted)

    def _fails(self) -> Exception | None:
        """Return why the example cannot be predicted; a refusal of it is no failure."""
        try:
            body = json.dumps(self.fields.example).encode()
            rows = self.fields.read(body, 1).rows
        except HTTPException:  # then there is nothing to try it with
            return None
        (found,) = self._answers([rows])
        return found if isinstance(found, Exception) and not isinstance(found, UserError) else None

    def _answers(self, requests: Sequence[Rows]) -> list[Answers | Exception]:
        _give_up_unwanted()
        try:
            return list(self._together(requests))
        except BaseException as raised:  # a panic of a library in Rust is no Exception
            error = as_error(raised)
            if len(requests) > 1:  # one faulty request must not affect the others
                return [self._answers([rows])[0] for rows in requests]
            if self._apart or len(requests[0]) == 1 or isinstance(error, DiedError):
                return [error]
            alone = [self._answers([[row]])[0] for row in requests[0]]
            if all(isinstance(one, Exception) for one in alone):
                return [error]
            return [[Rejected(_reason(one)) if isinstance(one, Exception) else one[0]
                     for one in alone]]  # fmt: skip

    def shown(self, row: Mapping[str, Any], prediction: Prediction) -> str:
        """Return the HTML of what the plugin shows of a row; "" for nothing, or where it fails."""
        plugin = self.restored.plugin
        if type(plugin).show is Plugin.show:
            return ""
        try:
            parts = plugin.show(self.restored.dataset([row])[0], prediction, None)
            return shown.html(shown.stored(parts), "shown", page=False)
        except Exception:  # the prediction is there all the same
            log.exception("%s: a prediction could not be shown", self.name)
            return ""

    def _together(self, requests: Sequence[Rows]) -> Iterator[Answers]:
        import datasets

        whole = requests if self._apart else [[row for rows in requests for row in rows]]
        parts = [self._usable(rows) for rows in whole]
        usable = [rows for rows, _ in parts if rows is not None]
        found: Iterator[Any] = iter(())
        if usable:
            raw = datasets.concatenate_datasets(usable) if len(usable) > 1 else usable[0]
            found = iter(self.restored.predictions(raw))
        wrong = itertools.chain.from_iterable(why for _, why in parts)
        for rows in requests:
            yield [Rejected(why) if (why := next(wrong)) else next(found) for _ in rows]

    def _usable(self, rows: Rows) -> tuple[datasets.Dataset | None, list[str]]:
        """Return the rows that can be predicted, with all columns, and for each why not ("")."""
        plugin = self.restored.plugin
        raw = self.restored.dataset(rows)
        inputs = list(columns(plugin.options, "input").values())
        why = prediction_rows.unusable_rows(raw, inputs, plugin)
        if why:
            left = [row for row in range(len(rows)) if row not in why]
            raw = raw.select(left) if left else None
        found = None if raw is None else plugin.add_features(raw)
        return found, [why.get(row, "") for row in range(len(rows))]


def _reason(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    log.error("a row could not be predicted", exc_info=error)
    return "the model failed on this row; the server's log has the reason"


def _give_up_unwanted(*_: Any) -> None:
    if not _wanted.get()():
        raise UnwantedError

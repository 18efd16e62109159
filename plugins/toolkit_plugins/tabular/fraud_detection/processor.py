"""The processor of tables: names, scales, edges and vocabularies, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolkit_plugins.tabular.encoding import as_kind, by_frequency, quantile_edges, signed_log
from toolkit_plugins.tabular.fraud_detection.schema import Schema

Array = np.ndarray[Any, Any]
FILE = "transactions.json"
FARTHEST = 8.0  # standard deviations; values beyond are clipped


@dataclass
class TransactionProcessor:
    """Fitted on training rows, saved beside the model, and all that new rows need.

    numeric: names of numbers, in the order of the model's input. mean, scale: of their signed
    logarithms. edges: of the pieces of each number's embedding, on that scale. vocabularies:
    categorical column -> its values; 0 is everything else. frequent: the most frequent one of each.
    tokenizer: of a model of texts.
    """

    schema: Schema
    numeric: list[str]
    mean: list[float]
    scale: list[float]
    edges: list[list[float]]
    vocabularies: dict[str, list[str]]
    frequent: dict[str, str] = field(default_factory=dict)  # none in models of before
    windows: list[str] = field(default_factory=list)
    label_delay: str = "0d"
    tokenizer: Any = None

    @classmethod
    def fit(
        cls,
        schema: Schema,
        numbers: Mapping[str, Array],
        kinds: Mapping[str, Sequence[Any]],
        bins: int,
        **settings: Any,
    ) -> TransactionProcessor:
        """Return the processor of training rows."""
        mean, scale, edges = [], [], []
        for values in numbers.values():
            flat = signed_log(values[np.isfinite(values)].astype(np.float64))
            flat = flat if len(flat) else np.zeros(1)
            mean.append(float(flat.mean()))
            scale.append(float(flat.std()) or 1.0)
            edges.append(quantile_edges((flat - mean[-1]) / scale[-1], bins))
        found = {name: by_frequency(values) for name, values in kinds.items()}
        vocabularies = {name: sorted(values) for name, values in found.items()}
        first = {name: values[0] for name, values in found.items()}
        return cls(schema, list(numbers), mean, scale, edges, vocabularies, first, **settings)

    def usual(self) -> list[float]:
        """Return a typical number of each field, to two decimals."""
        flat = np.array(self.mean)
        found: list[float] = (np.sign(flat) * np.expm1(np.abs(flat))).round(2).tolist()
        return found

    def numbers(self, columns: Mapping[str, Array]) -> Array:
        """Return float32 of shape (rows, numbers); missing values are the mean, 0."""
        parts = [
            np.clip((signed_log(columns[name].astype(np.float64)) - mean) / scale,
                    -FARTHEST, FARTHEST)
            for name, mean, scale in zip(self.numeric, self.mean, self.scale, strict=True)
        ]  # fmt: skip
        found: Array = np.nan_to_num(np.column_stack(parts), nan=0.0).astype(np.float32)
        return found

    def kinds(self, columns: Mapping[str, Sequence[Any]]) -> Array:
        """Return int64 of shape (rows, categorical columns); 0 is a value not seen in training."""
        parts = []
        for name, values in self.vocabularies.items():
            ids = {value: place for place, value in enumerate(values, 1)}
            parts.append([ids.get(as_kind(value), 0) for value in columns[name]])
        return np.array(parts, np.int64).T

    @property
    def cardinalities(self) -> list[int]:
        """Return how many ids each categorical column has."""
        return [len(values) + 1 for values in self.vocabularies.values()]

    def to_json_string(self) -> str:
        """Return all but the tokenizer."""
        content = {k: v for k, v in vars(self).items() if k not in ("tokenizer", "schema")}
        return json.dumps({"schema": self.schema.to_dict(), **content}, indent=1)

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:
        """Write transactions.json, and the tokenizer's files where there is one."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / FILE).write_text(self.to_json_string() + "\n", encoding="utf-8")
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> TransactionProcessor:
        """Read what `save_pretrained` wrote, without the tokenizer."""
        content = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
        return cls(schema=Schema.from_dict(content.pop("schema")), **content)

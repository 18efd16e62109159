"""Baselines, as the hook `baselines` returns them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.plugin_types.values import Prediction

if TYPE_CHECKING:
    import datasets

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class BaselineData:
    """Raw rows and prepared model inputs, and the orders in which baselines use them."""

    train: datasets.Dataset
    train_prepared: datasets.Dataset
    test: datasets.Dataset
    test_prepared: datasets.Dataset
    train_order: Ints
    test_order: Ints


@dataclass(frozen=True)
class BaselineResult:
    """Predictions for some test rows (by number), and how many training rows were used."""

    predictions: list[Prediction]
    test_rows: Ints
    train_rows: int


class Baseline(ABC):
    """A simple method that the model must beat."""

    name: str

    @abstractmethod
    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Fit on train and predict test within about `seconds`."""

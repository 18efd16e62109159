"""Test rows that are kept for `compare` and `serve`."""

from __future__ import annotations

import io
from typing import Annotated

import datasets
import numpy as np
from PIL import Image

from toolkit import Column, Options, Plugin
from toolkit.reporting import kept_rows


class PairOptions(Options):
    image: Annotated[str, Column("input", files=(".png",))] = "image"
    mask: Annotated[str, Column("target", files=(".png",))] = "mask"


class Pairs(Plugin[PairOptions]):
    Options = PairOptions

    def load_model(self):
        raise NotImplementedError


def test_a_target_that_is_a_file_is_not_kept(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    cell = {"bytes": file.getvalue(), "path": "a.png"}
    plugin = Pairs()
    plugin.options = PairOptions()
    kept_rows.write(plugin, datasets.Dataset.from_list([{"image": cell, "mask": cell}]), tmp_path)
    assert kept_rows.read(tmp_path, [0]) == {0: {"image": cell}}

"""Masks: a class for each pixel of an image.

A plugin on top of `MasksPlugin` says what its classes are, how images become tensors and which
model reads them: `classes`, `load_processor`, `encode` (or `prepare`) and `load_model` (with
`head`). docs/plugins/tasks.md shows it. `PanopticPlugin` in `panoptic` is for segments: objects and
regions that do not overlap.
"""

from toolkit.tasks.masks.losses import Losses
from toolkit.tasks.masks.plugin import MasksPlugin

__all__ = ["Losses", "MasksPlugin"]

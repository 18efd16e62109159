"""Objects in images, as labelled boxes: scores, threshold, baselines, tables; whatever the model.

A plugin on top of `BoxesPlugin` says how images become inputs (`prepare`, `collator`), which model
finds boxes (`load_model`, with `head`) and what its outputs mean (`decode`, which hands boxes with
scores to `split_by_threshold`). docs/plugins/tasks.md shows it.
"""

from toolkit.tasks.boxes.plugin import BoxesPlugin

__all__ = ["BoxesPlugin"]

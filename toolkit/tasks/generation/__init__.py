"""Texts from texts, for any plugin: `GenerationPlugin`, and its options.

One way of generating serves evaluation, `predict`, `serve`, the check of the saved model and merged
exports: what the model's own generation config says, with `options.generation` over it.
docs/plugins/tasks.md has an example.
"""

from toolkit.tasks.generation.options import GenerationOptions, GenerationSettings
from toolkit.tasks.generation.plugin import GenerationPlugin

__all__ = ["GenerationOptions", "GenerationPlugin", "GenerationSettings"]

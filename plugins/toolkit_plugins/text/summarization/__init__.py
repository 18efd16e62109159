"""Summarization: the sentences of a document that say most, or new ones, by the model."""

from toolkit_plugins.text.summarization.plugin import Summarization

__all__ = ["Summarization"]

"""Extractive question answering: the answer is a span of the context, or there is none."""

from toolkit_plugins.text.question_answering.plugin import QuestionAnswering

__all__ = ["QuestionAnswering"]

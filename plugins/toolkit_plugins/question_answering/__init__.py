"""Extractive question answering: the answer is a span of the context, or there is none."""

from toolkit_plugins.question_answering.scenario import QuestionAnswering

__all__ = ["QuestionAnswering"]

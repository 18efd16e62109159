"""Options of question answering."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from toolkit.plugin_types import Column, Options, TextColumn

AnswerColumn = Annotated[str, Column("target", kind="text", may_be_empty=True)]


class AnswerOptions(Options):
    """Options of question answering."""

    question: TextColumn = Field("question", description="column of the question")
    context: TextColumn = Field("context", description="column of the text that may answer it")
    answers: AnswerColumn = Field(
        "answers",
        description="column of the answer(s): SQuAD's format, or a text; empty if there is none",
    )
    answer_start: str = Field(
        "answer_start",
        description="column of the character offset of an answer given as text",
    )
    max_length: int = Field(384, ge=16, description="tokens of a window: question and context")
    doc_stride: int = Field(
        128, ge=0, description="tokens by which two windows of a long context overlap"
    )
    max_question_length: int = Field(64, ge=1, description="tokens; longer questions are truncated")
    max_answer_length: int = Field(30, ge=1, description="most tokens of an answer")
    n_best: int = Field(5, ge=1, le=100, description="answers in a prediction, the best first")
    no_answer_threshold: float | None = Field(
        None, ge=0, le=1,
        description="no_answer_score above which no answer is given; by default chosen on "
                    "validation, or 1 (never) where all questions have an answer",
    )  # fmt: skip

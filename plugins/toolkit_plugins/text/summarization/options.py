"""Options of summarization."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.plugin_types import Column, Options, TextColumn

SummaryColumn = Annotated[str, Column("target", kind="text")]


class SummaryOptions(Options):
    """Options of summarization."""

    document: TextColumn = Field(
        "document",
        description="column of the texts: a text, its sentences, or turns of a dialogue",
    )
    summary: SummaryColumn = Field(
        "summary", description="column of the summaries: a text, or a list where there are several"
    )
    references: str = Field(
        "references",
        description="column of several reference summaries; used where rows have it",
    )
    max_length: int = Field(512, ge=16, description="tokens of a window of the document")
    overlap: int = Field(
        128, ge=0, description="tokens that windows of a long document read of the one before"
    )
    sentences: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = Field(
        "auto", description="sentences of an extract; auto: as many as are best on validation"
    )
    rouge: Literal["auto", "english", "unicode"] = Field(
        "auto",
        description="words of ROUGE: english (a to z, stemmed), unicode (any script, unstemmed), "
                    "or by the letters of the summaries",
    )  # fmt: skip

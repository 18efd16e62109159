"""Options of summarization."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.plugin_types import Column
from toolkit.tasks.generation import GenerationOptions

DocumentColumn = Annotated[str, Column("input", kind="text", lists=True)]
SummaryColumn = Annotated[str, Column("target", kind="text")]


class SummaryOptions(GenerationOptions):
    """Options of summarization."""

    document: DocumentColumn = Field(
        "document",
        description="column of the texts: a text, a list of its sentences, or of turns of a "
                    "dialogue",
    )  # fmt: skip
    summary: SummaryColumn = Field(
        "summary", description="column of the summaries: a text, or a list where there are several"
    )
    references: str = Field(
        "references", description="column of several reference summaries, where rows have it"
    )
    max_source_length: int = Field(
        1024, ge=16,
        description="tokens of a document that a model reads which generates (longer ones are "
                    "truncated), or of a window of an encoder (long documents have several)",
    )  # fmt: skip
    overlap: int = Field(
        128, ge=0,
        description="tokens that a window of a long document reads of the one before (encoders)",
    )  # fmt: skip
    sentences: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = Field(
        "auto",
        description="sentences of an extract (encoders); auto: as many as score best on validation",
    )
    rouge: Literal["auto", "english", "unicode"] = Field(
        "auto",
        description="words that ROUGE compares: english (a to z and digits, stemmed), unicode (of "
                    "any script, unstemmed), or auto, by the letters of the training summaries",
    )  # fmt: skip

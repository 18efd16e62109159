"""Options of token classification."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from toolkit.plugin_types import Column, Options, TextColumn

EntitiesColumn = Annotated[str, Column("target", kind="list", may_be_empty=True)]


class EntityOptions(Options):
    """Options of token classification."""

    text: TextColumn = Field("text", description="column of the text")
    entities: EntitiesColumn = Field(
        "entities", description="column of the entities: a list of {start, end, label}, characters"
    )
    tokens: str = Field(
        "tokens", description="column of the words, in files that have words instead of a text"
    )
    tags: str | None = Field(
        None, description="column of a tag per word; by default the first of the usual names"
    )
    tag_column: int | None = Field(
        None,
        ge=2,
        description="number of the column of the tags, from 1, in files of columns; by default the "
        "last one that holds tags",
    )
    tag_names: list[str] | None = Field(
        None,
        min_length=1,
        description="names of tags that are numbers, in their order, where the data has none",
    )
    max_length: int = Field(128, ge=8, description="tokens of a window; longer texts have several")
    stride: int = Field(32, ge=0, description="tokens by which two windows of a long text overlap")

"""Options of scenarios that generate texts, and the settings of generation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from toolkit.plugin_types import Options

#: Fields that count in sampling alone, or with beams alone.
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p")
BEAMS = ("early_stopping", "length_penalty")

Count = Annotated[int, Field(ge=1)]


class GenerationSettings(Options):
    """How texts are generated: fields of transformers' GenerationConfig, under their names.

    What is not given is what the model's own generation config says.
    """

    num_beams: Count | None = Field(default=None, description="beams of beam search; 1 is greedy")
    length_penalty: float | None = Field(
        default=None,
        description="above 0 favours longer texts of beam search, below 0 shorter",
    )
    early_stopping: bool | Literal["never"] | None = Field(
        default=None,
        description="end beam search as soon as num_beams texts are finished",
    )
    max_new_tokens: Count | None = Field(
        default=None,
        description="most tokens of a text; by default options.max_target_length",
    )
    min_new_tokens: Count | None = Field(default=None, description="fewest tokens of a text")
    no_repeat_ngram_size: Count | None = Field(
        default=None, description="tokens of a sequence that may not come twice"
    )
    repetition_penalty: float | None = Field(
        default=None, gt=0, description="above 1 makes tokens that were there already less likely"
    )
    do_sample: bool | None = Field(
        default=None, description="draw tokens at random, instead of taking the most likely ones"
    )
    temperature: float | None = Field(
        default=None, gt=0, description="of sampling; below 1 favours likely tokens"
    )
    top_k: Count | None = Field(default=None, description="sample from so many most likely tokens")
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="sample from the likeliest tokens of this probability",
    )
    min_p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="sample from tokens so likely, relative to the first",
    )
    typical_p: float | None = Field(
        default=None, gt=0, le=1, description="sample from tokens of typical information"
    )

    @property
    def given(self) -> dict[str, Any]:
        """The fields that have a value."""
        return {name: value for name, value in self if value is not None}

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        beams, sampled = self.num_beams or 1, bool(self.do_sample)
        wrong = [name for name in SAMPLING if name in self.given and self.do_sample is False]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: for do_sample: true alone, and it is false")
        wrong = [name for name in BEAMS if name in self.given and self.num_beams == 1]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: for num_beams above 1 alone, and it is 1")
        if sampled and beams > 1:
            raise ValueError(f"num_beams is {beams} and do_sample true: choose one of the two")
        longest, shortest = self.max_new_tokens, self.min_new_tokens
        if longest is not None and shortest is not None and shortest > longest:
            raise ValueError(f"min_new_tokens {shortest} is above max_new_tokens {longest}")
        return self


class GenerationOptions(Options):
    """Options that scenarios share which generate texts; a subclass adds the columns."""

    max_source_length: int = Field(128, ge=4, description="tokens; longer sources are truncated")
    max_target_length: int = Field(
        128, ge=2, description="tokens of the target, in training and when it is generated"
    )
    prompt: str | None = Field(
        None,
        description="text around the source, which stands at {source}; by default what the "
                    "model's config has for the task, or the source alone",
    )  # fmt: skip
    source_lang: str | None = Field(
        default=None, description="the source's language, as the model's tokenizer calls it"
    )
    target_lang: str | None = Field(
        default=None, description="the target's language, as the model's tokenizer calls it"
    )
    vocab_size: int | None = Field(
        default=None,
        ge=300,
        description="tokens of a tokenizer from scratch; usually 8000",
    )
    generation: GenerationSettings = Field(
        default_factory=GenerationSettings,
        description="how texts are generated: beams, sampling, lengths",
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.prompt is not None and self.prompt.count("{source}") != 1:
            raise ValueError("prompt: {source} has to stand in it once, where the source goes")
        return self

"""How large images are cut into tiles."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

STEP = 32  # pixels: the coarsest features of usual backbones


class TileOptions(BaseModel):
    """Size of the tiles of large images, which keep their resolution, and what they share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(512, ge=64, le=4096, description="pixels a side, a multiple of 32")
    overlap: float = Field(
        0.25, ge=0, le=0.5, description="of neighboring tiles, as a share of the side"
    )

    @property
    def shared(self) -> int:
        """The overlap in pixels."""
        return round(self.overlap * self.size)

    @field_validator("size")
    @classmethod
    def _in_steps(cls, value: int) -> int:
        if value % STEP:
            below = value // STEP * STEP
            raise ValueError(f"is no multiple of {STEP}: {below} and {below + STEP} are nearest")
        return value

"""What all sections are, and the types that several have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MIB = 2**20
LONGEST_CONTEXT = 2**20  # tokens, as the manifest of shards has it (shards/format.py; a test holds them equal)
Share = Annotated[float, Field(ge=0, le=1)]
Preset = Literal["gopher_lenient", "gopher_short", "gopher_quality", "gopher_repetition", "c4", "fineweb"]


def one_or_more(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


class Section(BaseModel):
    """Frozen, closed to unknown keys, and strict about numbers that are really text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

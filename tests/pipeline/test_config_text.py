"""The reference of the configuration is written for people."""

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import ByteSize, Field

from sequitur.pipeline.config_text import reference_markdown, said
from sequitur.pipeline.sections import Edit

PYTHON = re.compile(
    r"\w\[|\bNone\b|NoneType|Literal|Annotated|Optional|Union|typing|pydantic|<class|\bint\b|\bstr\b|\bbool\b"
)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (str, "text"),
        (ByteSize, "size"),
        (bool, "true or false"),
        (int | None, "whole number or null"),
        (Annotated[float, Field(gt=0)], "number"),
        (Literal["a", "b"] | None, "`a` or `b` or null"),
        (list[str], "list of texts"),
        (list[Literal["a", "b"]], "list of `a` or `b`"),
        (dict[Annotated[str, Field(pattern="x")], list[str]], "mapping of texts to lists of texts"),
        (dict[str, float | None], "mapping of texts to numbers or null"),
        (list[Edit], "list of mappings with the keys `remove_lines`, `replace`, `by`, `drop`, `source`, `record_id`"),
    ],
)
def test_types_are_said_in_words(kind: Any, expected: str) -> None:
    assert said(kind) == expected


def test_reference_prints_no_python_type() -> None:
    rows = [line.split(" | ") for line in reference_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert not [row[1] for row in rows if PYTHON.search(row[1])]
    assert {"text", "size", "whole number", "true or false"} < {row[1] for row in rows}

"""Groups of kept documents by something that is known of them: source, language, URL, or a field of their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from sequitur.pipeline import artifacts
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory


def group_codes(root: Directory, by: str) -> tuple[np.ndarray, list[str]]:
    """The group of each kept document: int64 codes by ordinal, −1 where unknown, and the names, sorted.

    Args:
        root: of the run; `documents`, `selection`, and for languages `signals`, are read.
        by: `source`; `language` (the signal); `url` (its host and directories, joined by NUL so that they sort as a
            tree); or the name of a field of the records, if it is a string there.
    """
    if by in ("source", "url"):
        values = kept_column(root, DOCUMENTS, by)
    elif by == "language":
        values = kept_column(root, SIGNALS, by)
    else:
        values = kept_column(root, DOCUMENTS, "metadata")
    values = pc.cast(values, pa.string())
    if by == "url":
        values = _mapped(values, _directory)
    elif by not in ("source", "language"):
        values = pa.chunked_array([string_fields(chunk, [by])[0] for chunk in values.chunks], pa.string())
    names = sorted(name for name in pc.unique(values).to_pylist() if name is not None)
    codes = pc.fill_null(pc.index_in(values, pa.array(names, pa.string())), -1)
    return codes.to_numpy().astype(np.int64), names


def kept_column(root: Directory, artifact: str, column: str) -> pa.ChunkedArray:
    """A column of an artifact that is aligned with `documents`: of the kept documents, by ordinal.

    Raises:
        KeyError: the artifact has no such column.
    """
    directory, selection = root / artifact, root / SELECTION
    parts, chunks = artifacts.require_manifest(directory).parts, []
    if column not in artifacts.part_schema(directory, parts[0]).names:
        raise KeyError(column)
    for part, verdicts in zip(parts, artifacts.require_manifest(selection).parts, strict=True):
        kept = artifacts.read_part(selection, verdicts, ["kept"]).column("kept")
        chunks.append(artifacts.read_part(directory, part, [column]).column(0).filter(kept))
    return pa.chunked_array(chunks).unify_dictionaries()


def _mapped(values: pa.ChunkedArray, function: Callable[[str], str | None]) -> pa.Array:
    found = (None if value is None else function(value) for chunk in values.chunks for value in chunk.to_pylist())
    return pa.array(found, pa.string())


def _directory(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # of an IPv6 address that is none
        return None
    return "\0".join([parts.netloc.lower(), *parts.path.split("/")[1:-1]])


def string_field(metadata: str, name: str) -> str | None:
    """The field of that name in the JSON of a document's metadata; None where it is absent or no string."""
    if f'"{name}"' not in metadata and "\\" not in metadata:  # a name may be written with escapes
        return None
    value = json.loads(metadata).get(name)
    return value if isinstance(value, str) else None


def string_fields(metadata: pa.StringArray, names: Sequence[str]) -> list[pa.StringArray]:
    """Of each name what `string_field` gives for each document; null for None.

    By Arrow's reader of JSON, which takes a quarter of the time and holds no lock of Python's. It refuses what is not a
    string in all documents that have it; then Python reads one by one.
    """
    lines = "\n".join(metadata.to_pylist()).encode()  # JSON has no line feed but as an escape
    fields = pa.schema([pa.field(name, pa.string()) for name in names])
    try:
        found = arrow_json.read_json(
            pa.BufferReader(lines),
            arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            arrow_json.ParseOptions(explicit_schema=fields, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return [pa.array([string_field(one, name) for one in metadata.to_pylist()], pa.string()) for name in names]
    return [pa.concat_arrays(found.column(name).chunks) for name in names]

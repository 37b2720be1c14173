"""Groups of kept documents by something that is known of them: source, language, URL, or a field of their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import end_to_end


def group_codes(root: Directory, by: str) -> tuple[np.ndarray, list[str]]:
    """The group of each kept document: int64 codes by ordinal, −1 where unknown, and the names, sorted. Memory: 8 bytes
    a document, mapped where they are many, the names, and a part.

    Args:
        root: of the run; `documents`, `selection`, and for languages `signals`, are read.
        by: `source`; `language` (the signal); `url` (its host and directories, joined by NUL so that they sort as a
            tree); or the name of a field of the records, if it is a string there.
    """
    artifact, column = (SIGNALS, by) if by == "language" else (DOCUMENTS, by if by in ("source", "url") else "metadata")
    first_met: dict[str | None, int] = {}

    def codes_of(values: pa.Array) -> np.ndarray:
        """Of a part, by when a name was first met."""
        values = pc.cast(values, pa.string())
        if by == "url":
            values = pa.array((None if url is None else _directory(url) for url in values.to_pylist()), pa.string())
        elif column == "metadata":
            values = string_fields(values, [by])[0]
        encoded = values.dictionary_encode("encode")
        known = [first_met.setdefault(name, len(first_met)) for name in encoded.dictionary.to_pylist()]
        return np.array(known, np.int64)[encoded.indices.to_numpy()]

    count = artifacts.require_manifest(root / SELECTION).statistics["kept"]
    codes = end_to_end(map(codes_of, _kept_parts(root, artifact, column)), count, scratch.beside(root))
    names = sorted(name for name in first_met if name is not None)
    place = {name: number for number, name in enumerate(names)}
    code_of = np.array([-1 if name is None else place[name] for name in first_met], np.int64)
    codes[:] = code_of[codes]
    return codes, names


def kept_column(root: Directory, artifact: str, column: str) -> pa.ChunkedArray:
    """A column of an artifact that is aligned with `documents`: of the kept documents, by ordinal.

    Raises:
        KeyError: the artifact has no such column.
    """
    return pa.chunked_array(list(_kept_parts(root, artifact, column))).unify_dictionaries()


def _kept_parts(root: Directory, artifact: str, column: str) -> Iterator[pa.Array]:
    directory, selection = root / artifact, root / SELECTION
    parts = artifacts.require_manifest(directory).parts
    if column not in artifacts.part_schema(directory, parts[0]).names:
        raise KeyError(column)
    for part, verdicts in zip(parts, artifacts.require_manifest(selection).parts, strict=True):
        kept = artifacts.read_part(selection, verdicts, ["kept"]).column("kept")
        yield artifacts.read_part(directory, part, [column]).column(0).filter(kept)


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

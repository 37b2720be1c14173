"""Groups of kept documents by something that is known of them: source, language, URL, or a field of their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from sequitur.graph_sort.graph import Empty
from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import BLOCK, end_to_end


def group_codes(root: Directory, by: str) -> tuple[np.ndarray, list[str]]:
    """The group of each kept document: int64 codes by ordinal, −1 where unknown, and the names, sorted. Memory: 8 bytes
    a document, mapped where they are many, the names, and a part.

    Args:
        root: of the run; `documents`, `selection`, and for languages `signals`, are read.
        by: `source`; `language` (the signal); `url` (its host and directories, joined by NUL so that they sort as a
            tree); or the name of a field of the records, if it is a string there.
    """
    artifact, column = (SIGNALS, by) if by == "language" else (DOCUMENTS, by if by in ("source", "url") else "metadata")

    def of_part(values: pa.Array) -> pa.Array:
        if by == "url":
            return pa.array((None if url is None else _directory(url) for url in values.to_pylist()), pa.string())
        return string_fields(values, [by])[0] if column == "metadata" else values

    count = artifacts.require_manifest(root / SELECTION).statistics["kept"]
    return codes_by_name(map(of_part, _kept_parts(root, artifact, column)), count, scratch.beside(root))


def codes_by_name(values: Iterable[pa.Array], count: int, empty: Empty) -> tuple[np.ndarray, list[str]]:
    """Of so many strings, which come in parts, int64 codes in an array from `empty`, −1 for null; and the names, by
    which codes go, sorted."""
    met: dict[str | None, int] = {}  # in which turn

    def turns(part: pa.Array) -> np.ndarray:
        encoded = pc.cast(part, pa.string()).dictionary_encode("encode")
        known = [met.setdefault(name, len(met)) for name in encoded.dictionary.to_pylist()]
        return np.array(known, np.int64)[encoded.indices.to_numpy()]

    codes = end_to_end(map(turns, values), count, empty)
    names = sorted(name for name in met if name is not None)
    place: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    by_turn = np.array([place.get(name, -1) for name in met], np.int64)
    for begin in range(0, count, BLOCK):
        codes[begin : begin + BLOCK] = by_turn[codes[begin : begin + BLOCK]]
    return codes, names


def kept_values(root: Directory, artifact: str, column: str) -> np.ndarray:
    """`kept_column` of floats, NaN for null, as an array; mapped, where it is long."""
    count = artifacts.require_manifest(root / SELECTION).statistics["kept"]
    of_parts = (part.to_numpy(zero_copy_only=False) for part in _kept_parts(root, artifact, column))
    return end_to_end(of_parts, count, scratch.beside(root))


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

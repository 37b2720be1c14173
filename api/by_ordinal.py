"""What the artifacts that speak of ordinals tell of each kept document: Arrow arrays by ordinal, null where nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.names import ORDER, SEMANTIC, SEMANTIC_DUPLICATES, SHARDS, SUBSET, TOKENS, UNSELECTED, VECTORS
from sequitur.pipeline.storage import Directory

Arrays = dict[str, pa.Array]


def of_tokens(root: Directory, count: int) -> Arrays:
    """`tokens`: how many each document has. Only the offsets are read."""
    directory = root / TOKENS
    columns = [
        artifacts.map_part(directory, part, ["input_ids"]).column(0)
        for part in artifacts.require_manifest(directory).parts
    ]
    return {"tokens": _joined([pc.list_value_length(column) for column in columns], pa.int64())}


def of_vectors(root: Directory, count: int) -> Arrays:
    """`vector`, as it is stored."""
    column = artifacts.read_columns(root / VECTORS, ["vector"])["vector"]
    return {"vector": _joined(column.chunks, column.type)}


def of_order(root: Directory, count: int) -> Arrays:
    """`position`, `path`, `family` (its name), `opens` and `cosine_to_previous`; of a document that stands there more
    than once, the first time."""
    table = artifacts.read_columns(root / ORDER, ["ordinal", "path", "opens", "family", "cosine_to_previous"])
    place = places(table["ordinal"].to_numpy(), count)
    found: Arrays = {name: _taken(table[name], place) for name in ("path", "opens", "family", "cosine_to_previous")}
    names = artifacts.require_manifest(root / ORDER).statistics["families"]
    found["family"] = pa.array([name or None for name in names], pa.string()).take(found["family"])
    return found | {"position": place}


def of_shards(root: Directory, count: int) -> Arrays:
    """`split`: where the document stands in the shards; in several directories, in the first of them."""
    directory = root / SHARDS
    keys, splits = [np.empty(0, np.int64)], [pa.array([], pa.string())]
    for part in artifacts.require_manifest(directory).parts:
        if part.name.endswith(".parquet"):
            try:
                table = pq.read_table(pa.BufferReader(directory.buffer(part.path)), columns=["doc_key", "split"])
            except (pa.ArrowException, OSError) as error:
                raise CorruptPart(f"{directory.path(part.path)}: damaged; `sequitur verify` tells more") from error
            keys.append(table["doc_key"].to_numpy().astype(np.int64))
            splits += table["split"].cast(pa.string()).chunks
    place = places(np.concatenate(keys), count)
    return {"split": _joined(splits, pa.string()).take(place)}


def of_losses(root: Directory, count: int) -> Arrays:
    """What `neighbors` dropped: `reason`; of near-duplicates `to`, the ordinal that stayed, and `similarity`."""
    near = artifacts.read_columns(root / SEMANTIC_DUPLICATES, ["ordinal", "duplicate_of", "cosine"])
    left = artifacts.read_columns(root / UNSELECTED, ["ordinal"])
    reason = np.full(count, -1, dtype=np.int8)
    reason[near["ordinal"].to_numpy()] = 0
    reason[left["ordinal"].to_numpy()] = 1
    place = places(near["ordinal"].to_numpy(), count)
    return {
        "reason": pa.array([SEMANTIC, SUBSET]).take(pa.array(reason, mask=reason < 0)),
        "to": _taken(near["duplicate_of"], place),
        "similarity": _taken(near["cosine"], place),
    }


BY_ARTIFACT: dict[str, Callable[[Directory, int], Arrays]] = {
    TOKENS: of_tokens,
    VECTORS: of_vectors,
    ORDER: of_order,
    SHARDS: of_shards,
}
"""(run directory, kept documents) → the columns that an artifact tells, by ordinal."""


def places(ordinals: np.ndarray, count: int) -> pa.Array:
    """The first place of each ordinal 0 … count−1 among some (int64), null where it has none: int64 [count]."""
    place = np.full(count, -1, dtype=np.int64)
    place[ordinals[::-1]] = np.arange(len(ordinals), dtype=np.int64)[::-1]
    return pa.array(place, mask=place < 0)


def _taken(column: pa.ChunkedArray, place: pa.Array) -> pa.Array:
    return _joined(column.chunks, column.type).take(place)


def _joined(chunks: list[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays(chunks).cast(kind) if chunks else pa.array([], kind)

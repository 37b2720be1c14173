"""Where a kept document of a run has come to: its tokens, its neighbours, its place in the order, its contexts.

`root` is that of the run everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sequitur.inspection.history import Standing
from sequitur.pipeline import artifacts, nearby
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.names import NEIGHBORS, ORDER, SHARDS, SPANS, TOKENS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.shards.documents import by_key
from sequitur.shards.errors import DocumentUnknown, ShardError
from sequitur.shards.families import dataset_directories
from sequitur.shards.manifest import read_manifest
from sequitur.shards.pieces import placements
from sequitur.stages.shared.columns.lookup import row_by_ordinal


def tokens(root: Directory, standing: Standing, ordinal: int) -> dict[str, Any] | None:
    """How many tokens the document has, and how many repeated ones were found in it, where they were looked for."""
    if TOKENS not in standing:
        return None
    first = 0
    for number, part in enumerate(standing[TOKENS].parts):
        if ordinal >= first + part.rows:
            first += part.rows
            continue
        offsets = artifacts.map_part(root / TOKENS, part, ["input_ids"]).column("input_ids").offsets
        row = ordinal - first
        found = {"tokens": offsets[row + 1].as_py() - offsets[row].as_py()}
        spans = artifacts.read_manifest(root / SPANS)
        if spans is not None and number < len(spans.parts):
            batch = artifacts.map_part(root / SPANS, spans.parts[number], ["ordinal", "length"])
            mine = batch.column("length").to_numpy()[batch.column("ordinal").to_numpy() == ordinal]
            found |= {"repeated_spans": len(mine), "repeated_tokens": int(mine.sum())}
        return found
    return None


def neighbors(root: Directory, standing: Standing, ordinal: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The document's neighbours, int64 ordinals and float32 cosines, best first; None where it has no list."""
    if NEIGHBORS not in standing:
        return None
    row = row_by_ordinal(root / NEIGHBORS, ordinal, ["neighbor", "cosine"])
    if row is None:
        return None
    ids, cosines = np.array(row["neighbor"], dtype=np.int64), np.array(row["cosine"], dtype=np.float32)
    return ids[ids >= 0], cosines[ids >= 0]


def order_position(root: Directory, standing: Standing, ordinal: int) -> dict[str, Any] | None:
    """Where the document stands in the order: at `position` of `documents`, from 0; in `path`, at `place_in_path` of
    `documents_in_path`; `before` and `after` are ordinals or null. Of a document that is repeated, the first time; of
    several epochs, the first."""
    if ORDER not in standing:
        return None
    found: dict[str, Any] | None = None
    start, before = 0, None
    rows = standing[ORDER].statistics.get("epochs", [standing[ORDER].rows])[0]
    for part in standing[ORDER].parts:
        batch = artifacts.map_part(root / ORDER, part).slice(0, max(rows - start, 0))
        ordinals = batch.column("ordinal").to_numpy()
        if found is not None and found["after"] is None and len(ordinals):
            found["after"] = int(ordinals[0])
        here = np.flatnonzero(ordinals == ordinal)
        if found is None and len(here):
            row = int(here[0])
            after = int(ordinals[row + 1]) if row + 1 < len(ordinals) else None
            found = batch.slice(row, 1).to_pylist()[0]
            found |= {"position": start + row, "before": int(ordinals[row - 1]) if row else before, "after": after}
        start += len(ordinals)
        before = int(ordinals[-1]) if len(ordinals) else before
    if found is None:
        return None
    first, count = _extent(root / ORDER, standing, found["path"])
    names = standing[ORDER].statistics.get("families", [])
    family = names[found["family"]] if found["family"] < len(names) else ""
    return found | {
        "documents": start,
        "place_in_path": found["position"] - first,
        "documents_in_path": count,
        "family": family or None,
    }


def _extent(order: Directory, standing: Standing, path: int) -> tuple[int, int]:
    """The position that a path begins at, and how many it has; paths ascend."""
    start, first, count = 0, 0, 0
    for part in standing[ORDER].parts:
        paths = artifacts.map_part(order, part, ["path"]).column("path").to_numpy()
        low, high = np.searchsorted(paths, [path, path + 1]).tolist()
        first = start + low if high > low and not count else first
        count += high - low
        start += len(paths)
    return first, count


def contexts(
    root: Directory, standing: Standing, ordinals: Sequence[int], progress: Progress
) -> dict[int, list[dict[str, Any]]] | None:
    """The pieces of some documents in the shards, by ordinal, each document's from its start on.

    Of each piece `directory` (of several datasets), `split`, `row`, `context_id`, which `piece` of how many `pieces`,
    `offset` in the context, `start` in the document, `length`.

    Raises:
        CorruptPart: the shards are damaged.
    """
    if SHARDS not in standing:
        return None
    found: dict[int, list[dict[str, Any]]] = {ordinal: [] for ordinal in ordinals}
    with nearby.copied(root / SHARDS, progress) as shards:
        try:
            for directory in dataset_directories(shards):
                for ordinal, piece in _pieces(shards / directory, ordinals):
                    found[ordinal].append({"directory": directory or None, **piece})
        except ShardError as error:
            raise CorruptPart(f"{root.path('shards')}: {error}") from error
    return {ordinal: sorted(pieces, key=lambda one: one["start"]) for ordinal, pieces in found.items()}


def _pieces(root: Path, ordinals: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    manifest = read_manifest(root)
    splits: dict[str, list[int]] = {}
    for ordinal in ordinals:
        try:
            splits.setdefault(by_key(root, manifest, [ordinal], ["split"])[ordinal]["split"], []).append(ordinal)
        except DocumentUnknown:  # of another family, or removed
            continue
    for split, keys in splits.items():
        for one in placements(root, manifest, split, np.array(sorted(keys), dtype=np.uint64)):
            piece = one._asdict()
            yield piece.pop("doc_key"), piece

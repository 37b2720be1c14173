"""Documents that were removed from the shards since: counted by their records, and not to be quoted any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SEMANTIC_DUPLICATES, SHARDS
from sequitur.pipeline.storage import Directory
from sequitur.shards.removal.record import FOLDER as REMOVALS

ID = pa.binary(16)


def removed_documents(shards: Directory) -> dict[bytes, int]:
    """The tokens, by `doc_id`, of all documents that removals took out of the shards."""
    found: dict[bytes, int] = {}
    for part in artifacts.require_manifest(shards).parts:
        if PurePosixPath(part.name).parent.name != REMOVALS:
            continue
        record = shards.read_json(part.path)
        try:
            named = {**record["documents"], **record["other_documents"]}
            found |= {bytes.fromhex(name): int(tokens) for name, tokens in named.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptPart(f"{shards.path(part.path)}: not a removal record; restore it") from error
    return found


class Unquotable(NamedTuple):
    """Removed documents, and what was dropped as a copy of one, or of such a copy, for it says the same."""

    ids: pa.Array  # binary(16)
    ordinals: np.ndarray  # int64, of those that have one


def unquotable(root: Directory) -> Unquotable:
    """What a page must not quote. Cost: where something was removed, a pass over the ids of all documents for each link
    from copy to copy; memory, what is found."""
    named = sorted(name for name in removed_documents(root / SHARDS) if len(name) == ID.byte_width)
    found = Unquotable(pa.array(named, ID), np.empty(0, dtype=np.int64))
    while len(found.ids):
        more = _with_copies(root, found)
        if (len(more.ids), len(more.ordinals)) == (len(found.ids), len(found.ordinals)):
            break
        found = more
    return found


def _with_copies(root: Directory, known: Unquotable) -> Unquotable:
    ids, ordinals = [known.ids], [known.ordinals]
    semantic = root / SEMANTIC_DUPLICATES
    for part in artifacts.require_manifest(semantic).parts:
        batch = artifacts.map_part(semantic, part, ["ordinal", "duplicate_of"])
        ordinal, kept = (column.to_numpy() for column in batch.columns)
        ordinals.append(ordinal[np.isin(kept, known.ordinals)])
    of_known = pa.array(distinct_values(np.concatenate(ordinals)))
    for name, batch in _verdicts(root):
        here = pc.or_(pc.is_in(name, known.ids), pc.is_in(batch.column("duplicate_of"), known.ids))
        here = pc.or_(here, pc.is_in(batch.column("ordinal"), of_known))
        ids.append(name.filter(here))
        ordinals.append(batch.column("ordinal").filter(here).drop_null().to_numpy())
    every = pc.unique(pa.chunked_array([chunk.cast(ID) for chunk in ids]))
    return Unquotable(every, distinct_values(np.concatenate(ordinals)))


def _verdicts(root: Directory) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
    """Of each part the ids, and which document each is a copy of."""
    documents, selection = root / DOCUMENTS, root / SELECTION
    of_both = (artifacts.require_manifest(directory).parts for directory in (documents, selection))
    for part, verdicts in zip(*of_both, strict=True):
        ids = artifacts.map_part(documents, part, ["doc_id"]).column("doc_id")
        yield ids, artifacts.map_part(selection, verdicts, ["ordinal", "duplicate_of"])

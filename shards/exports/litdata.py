"""LitData chunks for `StreamingDataset(OUT, item_loader=TokensLoader(block_size=S+1))`, as LitGPT reads them.

A row is a context and the token after it, S+1 tokens as int32: LitGPT takes `row[:-1]` as inputs and `row[1:]` as
labels. Rows that are short or whose next token is unknown are left out. TokensLoader reads a chunk as one run of
tokens, in blocks of `block_size` from its start, and drops what remains; every chunk is whole rows, so that nothing
remains and no block lies in two contexts. With another block size both happen, silently.

The files are those of the library's own writer (`BinaryWriter` with `TokensLoader`, litdata 0.2.76), byte for byte
but for `updated_at` in `index.json`. A chunk is, little-endian:

    uint32            items n
    uint32 [n+1]      where in the file each item begins; and where the last one ends
    int32  [n, S+1]   the items
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.errors import FormatUnsupported
from sequitur.shards.exports.blocks import blocks
from sequitur.shards.exports.source import Source, ids_with_next

CHUNK_BYTES = 1 << 26
"""Of tokens in a chunk, at most: the library's default."""

_INT32 = "no_header_tensor:16"
"""Tensors without a header, of the 16th type in litdata's list (constants.py): torch.int32."""


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write `chunk-0-0.bin` … and `index.json`. Holds 64 MiB or so of rows at a time. Raises FormatUnsupported for a
    vocabulary beyond int32."""
    if source.vocab_size > 1 << 31:
        raise FormatUnsupported(f"a vocabulary of {source.vocab_size} does not fit int32: export to another target")
    width = source.seq_len + 1
    chunks: list[dict[str, Any]] = []
    for ids in blocks(_rows(source), max(1, CHUNK_BYTES // (4 * width))):
        name = f"chunk-0-{len(chunks)}.bin"
        offsets = 4 * (len(ids) + 2) + 4 * width * np.arange(len(ids) + 1, dtype=np.int64)
        with (out / name).open("wb") as sink:
            sink.write(np.concatenate([[len(ids)], offsets]).astype("<u4").tobytes())
            sink.write(ids.astype("<u4", copy=False).data)  # below 2³¹ the same bits as int32
            size = sink.tell()
        chunks.append({"chunk_bytes": size, "chunk_size": len(ids), "dim": ids.size, "filename": name})
    index = {"chunks": chunks, "config": _config(), "updated_at": source.manifest.fingerprint}
    (out / "index.json").write_text(json.dumps(index, sort_keys=True))
    return {"block_size": width, "dtype": "int32", "item_loader": "TokensLoader"}


def _rows(source: Source) -> Iterator[NDArray[np.uint32]]:
    for shard in range(source.n_shards):
        for contexts in source.batches(shard, "followed"):
            yield ids_with_next(contexts)


def _config() -> dict[str, Any]:
    """`updated_at` names the reader's cache; the library takes the time, we the fingerprint: other contents at the
    same address then never meet an old cache."""
    return {
        "chunk_bytes": CHUNK_BYTES,
        "chunk_size": None,
        "compression": None,
        "compression_batch_size": None,
        "compression_level": None,
        "data_format": [_INT32],
        "data_spec": json.dumps([1, {"type": None, "context": None, "children_spec": []}]),
        "encryption": None,
        "ipc_compression": None,
        "item_loader": "TokensLoader",
        "types": "tensor",
    }

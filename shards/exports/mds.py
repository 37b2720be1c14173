"""MDS, version 2: what StreamingDataset of mosaicml-streaming reads, and with it Composer and LLM Foundry.

A row is a context of S tokens, the column `tokens` of the encoding `ndarray:uint32:S`. Short rows are left out: there
is no place to mask their pads. The files are, byte for byte, those of the library's own MDSWriter with its defaults
and SHA-256, so that writing them needs no library (mosaicml-streaming holds numpy below 2.2 and brings some eighty
packages; the format is the dozen lines of `MDSWriter.encode_joint_shard`, streaming 0.13).

A shard is, little-endian:

    uint32            samples n
    uint32 [n+1]      where in the file each sample begins; and where the last one ends
    JSON              the configuration, the same in every shard
    uint32 [n, S]     the samples: columns of a fixed size have no header of their own

`index.json` repeats the configuration for each shard, with its size and hash. The hash is only looked at when a shard
is downloaded: StreamingDataset must be given `remote`, a local path will do, beside `validate_hash`.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.exports.blocks import blocks
from sequitur.shards.exports.source import Source

SHARD_BYTES = 1 << 26
"""At most, uncompressed: MDSWriter's default."""

COLUMN = "tokens"  # what LLM Foundry's StreamingTextDataset looks for
_HASH = "sha256"


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write `shard.00000.mds` … and `index.json`. Holds 64 MiB or so of rows at a time."""
    config = _config(source.seq_len)
    head = json.dumps(config, sort_keys=True).encode()
    rows = max(1, (SHARD_BYTES - 8 - len(head)) // (4 * source.seq_len + 4))
    shards: list[dict[str, Any]] = []
    for ids in blocks(_rows(source), rows):
        name = f"shard.{len(shards):05d}.mds"
        pieces = (_offsets(len(ids), source.seq_len, head), head, ids.astype("<u4", copy=False).data)
        sha256 = hashlib.sha256()
        with (out / name).open("wb") as sink:
            for piece in pieces:
                sink.write(piece)
                sha256.update(piece)
            size = sink.tell()
        file = {"basename": name, "bytes": size, "hashes": {_HASH: sha256.hexdigest()}}
        shards.append({**config, "samples": len(ids), "raw_data": file, "zip_data": None})
    (out / "index.json").write_text(json.dumps({"version": 2, "shards": shards}, sort_keys=True))
    return {"column": COLUMN, "encoding": config["column_encodings"][0], "validate_hash": _HASH}


def _rows(source: Source) -> Iterator[NDArray[np.uint32]]:
    for shard in range(source.n_shards):
        for contexts in source.batches(shard, "full"):
            yield contexts.input_ids


def _config(seq_len: int) -> dict[str, Any]:
    return {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [_HASH],
        "size_limit": SHARD_BYTES,
        "column_names": [COLUMN],
        "column_encodings": [f"ndarray:uint32:{seq_len}"],
        "column_sizes": [4 * seq_len],
    }


def _offsets(n: int, seq_len: int, head: bytes) -> bytes:
    """The count of samples, and the n+1 offsets, which fit uint32: a shard is of 64 MiB, or of one row."""
    first = 4 + 4 * (n + 1) + len(head)
    offsets = first + 4 * seq_len * np.arange(n + 1, dtype=np.int64)
    return np.concatenate([[n], offsets]).astype("<u4").tobytes()

"""Megatron-LM's indexed dataset: `contexts.bin`, `contexts.idx`; each context is one document of exactly S tokens.

Megatron shuffles documents, concatenates them, and cuts every S tokens: documents of S tokens keep contexts whole. The
format has no mask, so short rows are left out. Layout as in megatron/core/datasets/indexed_dataset.py (0.16.1):

    .bin    the tokens of all rows, uint16 or int32
    .idx    MMIDIDX and two zero bytes; uint64 version, 1; uint8 type of the tokens; uint64 rows; uint64 rows + 1; then
            of each row its length as int32, and its byte offset as int64; then 0 … rows as int64, where documents end
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from sequitur.shards.errors import FormatUnsupported
from sequitur.shards.exports.source import Source

PREFIX = "contexts"
_MAGIC = b"MMIDIDX\x00\x00"
_TYPE_CODES = {"int32": 4, "uint16": 8}
_UINT16_VOCABULARY = 65_500  # below it DType.optimal_dtype takes uint16
_BLOCK = 1 << 20  # rows of the index in memory at once


def write(source: Source, out: Path) -> dict[str, Any]:
    """Write the full rows. Raises FormatUnsupported for a vocabulary beyond int32."""
    if source.vocab_size > 1 << 31:
        raise FormatUnsupported(f"a vocabulary of {source.vocab_size} does not fit Megatron's int32: export elsewhere")
    dtype = "uint16" if source.vocab_size < _UINT16_VOCABULARY else "int32"
    with (out / f"{PREFIX}.bin").open("wb") as file:
        for shard in range(source.n_shards):
            for contexts in source.batches(shard, "full"):
                file.write(np.ascontiguousarray(contexts.input_ids, dtype=np.dtype(dtype).newbyteorder("<")).data)
    _write_index(out / f"{PREFIX}.idx", source.rows, source.seq_len, dtype)
    return {
        "data_path": PREFIX,
        "dtype": dtype,
        "sequence_length": source.seq_len,
        "samples": {"add_extra_token_to_sequence": source.rows - 1, "no_extra_token": source.rows},
        "leave_off": ["--reset-position-ids", "--reset-attention-mask", "--eod-mask-loss"],
    }


def _write_index(path: Path, rows: int, seq_len: int, dtype: str) -> None:
    row_bytes = seq_len * np.dtype(dtype).itemsize
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack("<QBQQ", 1, _TYPE_CODES[dtype], rows, rows + 1))
        for first in range(0, rows, _BLOCK):
            file.write(np.full(min(_BLOCK, rows - first), seq_len, dtype="<i4").data)
        for first in range(0, rows, _BLOCK):
            file.write((np.arange(first, min(first + _BLOCK, rows), dtype="<i8") * row_bytes).data)
        for first in range(0, rows + 1, _BLOCK):
            file.write(np.arange(first, min(first + _BLOCK, rows + 1), dtype="<i8").data)

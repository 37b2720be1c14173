"""Ids of documents as a person names them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def hexadecimal(ids: pa.FixedSizeBinaryArray) -> pa.Array:
    """Ids of 16 bytes as 32 digits, which is how a person names them; null where there is none."""
    digits = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2")
    known = ids.fill_null(bytes(16))
    data = np.frombuffer(known.buffers()[1], dtype=np.uint8)[16 * known.offset : 16 * (known.offset + len(known))]
    text = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(known), [None, pa.py_buffer(digits[data].tobytes())])
    text = text.cast(pa.binary()).cast(pa.string())
    return pc.if_else(ids.is_valid(), text, None) if ids.null_count else text

"""What is asked of the tokens of documents without reading them all: their lengths, and some pieces.

Where tokens are local the files are mapped. Elsewhere ranges of them are fetched: a part is a file of one batch, in
which the ordinals and where documents begin stand before the tokens.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.token_store import TokenStore, checked_offsets
from sequitur.text_core.units.offsets import offsets_of

REQUESTS = 16  # at a time
BEFORE_COLUMNS = 2**12  # bytes of a part in which its schema nearly always is


class Begins(NamedTuple):
    """Where documents begin in a part that lies elsewhere."""

    offsets: np.ndarray  # int64 [n + 1], into its tokens
    first_byte: int  # of the tokens, in the file


def document_lengths(directory: Directory) -> np.ndarray:
    """int64 tokens of each document, by ordinal.

    No token is read. Of parts that lie elsewhere 16 bytes a document are fetched, by a request a part, and not compared
    with the manifest; who reads the tokens does that.

    Raises:
        CorruptPart: where documents begin in a part is not what was written.
    """
    if directory.is_local:
        return TokenStore(directory, check=False).lengths()
    parts = [part for part in artifacts.require_manifest(directory).parts if part.rows]
    with ThreadPoolExecutor(REQUESTS) as pool:
        begins = pool.map(partial(_begins, directory), parts)
        return np.concatenate([np.empty(0, np.int64), *(np.diff(one.offsets) for one in begins)])


def read_pieces(directory: Directory, document: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The tokens of some pieces of documents (int64 ordinals, offsets and lengths), end to end: uint32.

    Elsewhere a request for each piece, and one for each part that has some.

    Raises:
        CorruptPart: as `document_lengths`.
        IndexError: a piece does not lie in its document.
    """
    if directory.is_local:
        return TokenStore(directory, check=False).pieces(document, start, length)
    parts = artifacts.require_manifest(directory).parts
    firsts = offsets_of([part.rows for part in parts])
    if ((start < 0) | (length < 0) | (document < 0) | (document >= firsts[-1])).any():
        raise IndexError("a piece lies outside its document")
    number = np.searchsorted(firsts, document, side="right") - 1
    row = document - firsts[number]
    wanted = list(dict.fromkeys(number.tolist()))
    with ThreadPoolExecutor(REQUESTS) as pool:
        begins = dict(zip(wanted, pool.map(lambda one: _begins(directory, parts[one]), wanted), strict=True))

        def piece(at: int) -> bytes:
            of_part = begins[int(number[at])]
            first, last = of_part.offsets[row[at] : row[at] + 2].tolist()
            first += int(start[at])
            if first + length[at] > last:
                raise IndexError("a piece lies outside its document")
            begin = of_part.first_byte + 4 * first
            end = begin + 4 * int(length[at])
            return directory.read_range(parts[number[at]].path, begin, end) if end > begin else b""

        return np.frombuffer(b"".join(pool.map(piece, range(len(document)))), "<u4")


def _begins(directory: Directory, part: Part, size: int | None = None) -> Begins:
    """Of a part that lies elsewhere, by its first `size` bytes, or more if need be. Its tokens are zeros, which take no
    memory: from its ninth byte on a file of one batch is as a stream is, the schema and then the columns."""
    size = BEFORE_COLUMNS + 16 * part.rows if size is None else size
    image = np.zeros(part.bytes, np.uint8)
    head = np.frombuffer(directory.read_range(part.path, 0, size), np.uint8)[: len(image)]
    image[: len(head)] = head
    try:
        column = pa.ipc.open_stream(pa.py_buffer(image)[8:]).read_next_batch().column("input_ids")
    except (pa.ArrowInvalid, OSError, KeyError, StopIteration) as error:
        if size < part.bytes:  # its schema may be longer
            return _begins(directory, part, part.bytes)
        raise CorruptPart(artifacts.damage(directory, part, "it is not the Arrow file that was written")) from error
    offsets, tokens = column.buffers()[1], column.values.buffers()[1]
    end = offsets.address + offsets.size - image.ctypes.data
    if end > len(head):
        return _begins(directory, part, end)
    return Begins(checked_offsets(directory, part, column), tokens.address - image.ctypes.data if tokens else end)

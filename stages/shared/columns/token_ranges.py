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

from sequitur.pipeline import artifacts, scratch
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.ranges import AHEAD
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.arrays import end_to_end
from sequitur.stages.shared.columns.token_store import TokenStore, checked_offsets
from sequitur.text_core.units.offsets import offsets_of

REQUESTS = 16  # at a time
SMALL = 4  # times AHEAD: parts of so many bytes are fetched whole
BEFORE_COLUMNS = 2**12  # bytes of a part in which its schema nearly always is


class Begins(NamedTuple):
    """Where documents begin in a part that lies elsewhere."""

    offsets: np.ndarray  # int64 [n + 1], into its tokens
    first_byte: int  # of the tokens, in the file


def document_lengths(directory: Directory) -> np.ndarray:
    """int64 tokens of each document, by ordinal.

    No token is read. Memory: 8 bytes a document, mapped where they are many. Of large parts that lie elsewhere 16 bytes
    a document are fetched, by a request a part, and not compared with the manifest; who reads the tokens does that.

    Raises:
        CorruptPart: where documents begin in a part is not what was written.
    """
    if directory.is_local:
        return TokenStore(directory, check=False).lengths()
    manifest = artifacts.require_manifest(directory)
    parts = [part for part in manifest.parts if part.rows]
    with ThreadPoolExecutor(REQUESTS) as pool:
        lengths = pool.map(partial(_lengths_in, directory), parts)
        return end_to_end(lengths, manifest.rows, scratch.beside(directory))


def _lengths_in(directory: Directory, part: Part) -> np.ndarray:
    offsets = _mapped(directory, part)[0] if part.bytes <= SMALL * AHEAD else _begins(directory, part).offsets
    return np.diff(offsets)


def read_pieces(directory: Directory, document: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The tokens of some pieces of documents (int64 ordinals, offsets and lengths), end to end: uint32.

    Elsewhere a request for each piece, and one for each part that has some; of a part that is small for as many pieces
    all is fetched.

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
    found = [np.empty(0, np.uint32)] * len(document)

    def of_part(one: int) -> list[tuple[int, str, int, int]]:
        """Finds the pieces of a part, or says which bytes of its file they are."""
        part, here = parts[one], np.flatnonzero(number == one)
        asked = (document[here] - firsts[one], start[here], length[here])
        if part.bytes <= AHEAD * max(SMALL, len(here)):
            offsets, tokens = _mapped(directory, part)
            for at, (begin, end) in zip(here.tolist(), _spans(offsets, *asked).tolist(), strict=True):
                found[at] = tokens[begin:end]
            return []
        begins = _begins(directory, part)
        spans = zip(here.tolist(), (begins.first_byte + 4 * _spans(begins.offsets, *asked)).tolist(), strict=True)
        return [(at, part.path, begin, end) for at, (begin, end) in spans if begin < end]

    def fetch(piece: tuple[int, str, int, int]) -> None:
        at, name, begin, end = piece
        found[at] = np.frombuffer(directory.read_range(name, begin, end), "<u4")

    with ThreadPoolExecutor(REQUESTS) as pool:
        left = [piece for some in pool.map(of_part, sorted(set(number.tolist()))) for piece in some]
        list(pool.map(fetch, left))
    return np.concatenate([np.empty(0, np.uint32), *found])


def _spans(offsets: np.ndarray, row: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """int64 [p, 2]: where pieces of documents begin and end among the tokens of their part."""
    begin = offsets[row] + start
    if (begin + length > offsets[row + 1]).any():
        raise IndexError("a piece lies outside its document")
    return np.stack([begin, begin + length], axis=1)


def _mapped(directory: Directory, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Where documents begin in a part, int64 [n + 1], and its tokens, uint32."""
    column = artifacts.map_part(directory, part, ["input_ids"]).column("input_ids")
    return checked_offsets(directory, part, column), column.values.to_numpy()


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

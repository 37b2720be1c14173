"""Checks a fastText model before the library reads it: given other bytes, that allocates or reads what they say.

The file (`FastText::saveModel`, version 12), little-endian:

    int32    magic, version
    int32    dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate; float64 t
    int32    entries, words, labels; int64 tokens, pruned (-1: none)
    entries  each a string that ends in NUL, int64 count, int8 type (0 word, 1 label); words first
    pruned   each int32 hash, int32 row
    bool     quantised; then the input matrix: quantised or dense
    bool     output quantised; then the output matrix
    dense    int64 rows, columns; float32 [rows, columns]
    quantised  bool with norms; int64 rows, columns; int32 size; uint8 codes [size]; quantiser;
               with norms: uint8 codes [rows]; quantiser
    quantiser  int32 dim, subquantisers, their dim, the last one's dim; float32 [256, dim]
"""

import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAGIC, VERSIONS = 793712314, (11, 12)
_SUPERVISED = 3
_LOSSES = (1, 2, 3, 4)  # hierarchical softmax, negative sampling, softmax, one against all
_CENTROIDS = 256
_MOST_COUNT = 10**15  # where the library's Huffman tree puts infinity
_MOST_BUCKETS = 2**31 - 1


class FastTextFileError(ValueError):
    """The file is no fastText classifier, or not whole."""


class _Settings(NamedTuple):
    dim: int
    word_ngrams: int
    loss: int
    model: int
    bucket: int
    maxn: int


class _Reader:
    """Reads forward in the file; what lies beyond its end is an error."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.position = data, 0

    def skip(self, size: int) -> int:
        """Passes over `size` bytes, and returns where they begin."""
        start = self.position
        if size < 0 or start + size > len(self.data):
            raise FastTextFileError("it ends too early")
        self.position += size
        return start

    def values(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack_from(form, self.data, self.skip(struct.calcsize(form)))

    def flag(self) -> bool:
        (value,) = self.values("B")
        _require(value in (0, 1), "a flag is neither true nor false")
        return bool(value)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise FastTextFileError(problem)


def read_labels(path: Path) -> list[str]:
    """The labels of a fastText classifier (.bin or .ftz), in the model's order and without `__label__`.

    All sizes and indices in the file are checked against each other and against its length, so that the library
    reads within it. Cost: a microsecond for each word of its vocabulary; the matrices are not read.

    Raises FastTextFileError, and OSError.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise FastTextFileError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(_Reader(data))


def _read(reader: _Reader) -> list[str]:
    _require(reader.data[:4] == struct.pack("<i", MAGIC), "it is no fastText model")
    _, version = reader.values("ii")
    _require(version in VERSIONS, f"its version is {version}, not 11 or 12")
    dim, _, _, _, _, word_ngrams, loss, model, bucket, minn, maxn, _, _ = reader.values("12id")
    settings = _Settings(dim, word_ngrams, loss, model, bucket, maxn if version > 11 else 0)
    _require(settings.model == _SUPERVISED, "it is no classifier: it has no labels")
    sensible = settings.dim > 0 and settings.loss in _LOSSES and min(word_ngrams, minn, maxn) >= 0
    _require(sensible, "its settings make no sense")
    hashed = settings.word_ngrams > 1 or settings.maxn > 0
    _require(0 < settings.bucket <= _MOST_BUCKETS if hashed else settings.bucket >= 0, "it has no buckets for n-grams")
    entries, words, labels, _, pruned = reader.values("iiiqq")
    _require(labels > 0 and words >= 0 and entries == words + labels, "its dictionary has no labels, or other entries")
    names = _read_dictionary(reader, words, labels)
    _require(pruned >= -1, "its dictionary is pruned to less than nothing")
    rows_at = reader.skip(8 * max(pruned, 0))
    quantised = reader.flag()
    _require(quantised or pruned < 0, "it is pruned, but not quantised")
    rows = _read_matrix(reader, settings.dim, quantised)
    if pruned >= 0:
        buckets = np.frombuffer(reader.data, "<i4", 2 * pruned, rows_at)[1::2].copy()
        inside = pruned == 0 or (buckets.min() >= 0 and buckets.max() < rows - words)
        _require(rows >= words and inside, "its input matrix has other rows than its dictionary")
    else:
        _require(rows >= words + (settings.bucket if hashed else 0), "its input matrix is smaller than its dictionary")
    output_quantised = reader.flag()
    rows = _read_matrix(reader, settings.dim, quantised and output_quantised)
    _require(rows == labels, "its output matrix has other rows than there are labels")
    _require(reader.position == len(reader.data), "something follows its end")
    return names


def _read_dictionary(reader: _Reader, words: int, labels: int) -> list[str]:
    names = []
    for number in range(words + labels):
        start = reader.position
        end = reader.data.find(b"\0", start)
        _require(end >= 0, "it ends too early")
        reader.skip(end + 1 - start)
        count, kind = reader.values("qb")
        _require(kind == (number >= words) and 0 <= count < _MOST_COUNT, "its dictionary is damaged")
        if kind:
            try:
                names.append(reader.data[start:end].decode().removeprefix("__label__"))
            except UnicodeDecodeError as error:
                raise FastTextFileError("a label is not UTF-8") from error
    return names


def _read_matrix(reader: _Reader, dim: int, quantised: bool) -> int:
    """Passes over a matrix, and returns the number of its rows."""
    norms = reader.flag() if quantised else False
    rows, columns = reader.values("qq")
    _require(rows >= 0 and columns == dim, "a matrix has another width than the model")
    if not quantised:
        reader.skip(4 * rows * columns)
        return int(rows)
    (size,) = reader.values("i")
    reader.skip(size)
    _require(size == rows * _read_quantiser(reader, dim), "a matrix has other codes than rows")
    if norms:
        reader.skip(rows)
        _require(_read_quantiser(reader, 1) == 1, "the norms of a matrix are no numbers")
    return int(rows)


def _read_quantiser(reader: _Reader, dim: int) -> int:
    """Passes over a product quantiser, and returns its number of subquantisers."""
    own_dim, count, sub_dim, last_dim = reader.values("4i")
    _require(own_dim == dim and 0 < sub_dim <= dim, "a quantiser has another width than its matrix")
    fills = count == -(-dim // sub_dim) and last_dim == dim - (count - 1) * sub_dim
    _require(fills, "a quantiser does not fill its width")
    reader.skip(4 * _CENTROIDS * dim)
    return int(count)

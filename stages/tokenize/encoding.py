"""Texts → ids, the end-of-document id once after each document and nowhere inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from sequitur.pipeline.errors import ModelError
from sequitur.stages.tokenize.fast_tokenizer import FastTokenizer, unlike
from sequitur.text_core.units.offsets import offsets_of

BYTES_END = 256
FAILS = "tokenize.tokenizer: fails on a text", "choose another tokenizer"
FAST_FAILS = "tokenize: gigatoken fails on a text", "uninstall it: tokenizers gives the same ids"
BATCH = 256  # documents encoded at a time: bounds the Python objects that the tokenizer returns


def encode_bytes(text: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes as ids 0 … 255 and 256 after each document: (int64 offsets [n + 1], uint32 ids)."""
    starts = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    data = (
        np.frombuffer(text.buffers()[2], dtype=np.uint8)[starts[0] : starts[-1]] if len(text) else np.empty(0, np.uint8)
    )
    offsets = starts - starts[0] + np.arange(len(starts), dtype=np.int64)
    ids = np.full(int(offsets[-1]), BYTES_END, dtype=np.uint32)
    is_text = np.ones(len(ids), dtype=bool)
    is_text[offsets[1:] - 1] = False
    ids[is_text] = data
    return offsets, ids


def encode(
    tokenizer: Tokenizer, end: int, text: pa.LargeStringArray, fast: FastTokenizer | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of some texts, `end` after each: (int64 offsets [n + 1], uint32 ids).

    A tokenizer may make the end token of text, though it is told not to: a Unigram or WordLevel model that has it among
    its words, an added token that is not marked as special. Such a text is encoded in pieces (`_in_pieces`).

    Args:
        tokenizer: 2 MB/s.
        end: the id of its end-of-document token.
        text: the texts.
        fast: the same tokenizer by gigatoken; 100 MB/s.

    Raises:
        ModelError: the tokenizer fails on a text, or makes the end token of a single character.
    """
    after = np.array([end], dtype=np.uint32)
    documents: list[np.ndarray] = []
    for start in range(0, len(text), BATCH):
        some = text.slice(start, BATCH)
        rows = _by_library(tokenizer, some) if fast is None else _by_gigatoken(fast, tokenizer, some)
        if (np.concatenate(rows) == end).any():
            for row, ids in enumerate(rows):
                if (ids == end).any():
                    rows[row] = np.array(_in_pieces(tokenizer, end, some[row].as_py()), dtype=np.uint32)
        documents += rows
    flat = np.concatenate([*(ids for document in documents for ids in (document, after)), np.empty(0, np.uint32)])
    return offsets_of([len(ids) + 1 for ids in documents]), flat


def _by_library(tokenizer: Tokenizer, text: pa.LargeStringArray) -> list[np.ndarray]:
    with of_library(*FAILS):
        encoded = tokenizer.encode_batch_fast(text.to_pylist(), add_special_tokens=False)
    return [np.array(one.ids, dtype=np.uint32) for one in encoded]


def _by_gigatoken(fast: FastTokenizer, tokenizer: Tokenizer, text: pa.LargeStringArray) -> list[np.ndarray]:
    with of_library(*FAST_FAILS):
        rows = fast.encode(text)
    others = unlike(text)
    for row, ids in zip(others, _by_library(tokenizer, text.take(pa.array(others))), strict=True):
        rows[row] = ids
    return rows


@contextmanager
def of_library(what: str, remedy: str) -> Iterator[None]:
    """Makes a ModelError of what the tokenizers library raises: bare Exception, and where Rust panics what is none."""
    try:
        yield
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"
        if not isinstance(error, Exception) and not panic:
            raise
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{what} ({why}); {remedy}") from (None if panic else error)


def _in_pieces(tokenizer: Tokenizer, end: int, text: str) -> list[int]:
    """The ids of a text that is cut within each stretch of which the tokenizer makes its end token, until none is left.

    A stretch is cut in its middle, so that there are no more rounds than its characters.
    """
    with of_library(*FAILS):
        encoded = tokenizer.encode(text, add_special_tokens=False)
    spans = [span for token, span in zip(encoded.ids, encoded.offsets, strict=True) if token == end]
    if not spans:
        return list(encoded.ids)
    if any(last - first < 2 for first, last in spans):
        raise ModelError(
            f"tokenize.end_of_document: the tokenizer makes {tokenizer.id_to_token(end)!r} of one character, which "
            "would end a document inside; name another token, or choose another tokenizer"
        )
    cuts = [0, *((first + last) // 2 for first, last in spans), len(text)]
    return [token for begin, stop in pairwise(cuts) for token in _in_pieces(tokenizer, end, text[begin:stop])]

"""Texts → ids, the end-of-document id once after each document and nowhere inside."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pyarrow as pa
from tokenizers import Encoding, Tokenizer

from sequitur.pipeline.errors import ModelError
from sequitur.stages.tokenize import trial
from sequitur.text_core.units.offsets import offsets_of

BYTES_END = 256
FAILS = "tokenize.tokenizer: fails on a text", "choose another tokenizer"
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


def encode(tokenizer: Tokenizer, end: int, text: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """The ids of some texts, `end` after each: (int64 offsets [n + 1], uint32 ids).

    A tokenizer may make the end token of text, though it is told not to: a Unigram or WordLevel model that has it among
    its words, an added token that is not marked as special. Such a text is encoded in pieces (`_in_pieces`).

    Raises:
        ModelError: the tokenizer fails on a text, or makes the end token of a single character.
    """
    pieces: list[np.ndarray] = []
    for start in range(0, len(text), BATCH):
        texts = text.slice(start, BATCH).to_pylist()
        for one, whole in zip(_encoded(tokenizer, texts), texts, strict=True):
            ids = np.array([*one.ids, end], dtype=np.uint32)
            if np.count_nonzero(ids == end) > 1:
                ids = np.array([*_in_pieces(tokenizer, end, whole), end], dtype=np.uint32)
            pieces.append(ids)
    return offsets_of([len(ids) for ids in pieces]), np.concatenate([*pieces, np.empty(0, np.uint32)])


def _encoded(tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
    with of_library(*FAILS):
        return tokenizer.encode_batch_fast(texts, add_special_tokens=False)


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


def try_out(content: bytes, what: str, remedy: str) -> None:
    """Refuses a tokenizer.json that ends, fills or stalls the process that loads it and encodes some texts; 0.2 s.

    What the library itself refuses passes: whoever loads it learns why.

    Raises:
        ModelError: begins with `what`, and ends with `remedy`.
    """
    command = [sys.executable, "-P", trial.__file__]
    ended = subprocess.run(command, input=content, capture_output=True, check=False)  # noqa: S603
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        why = "takes too long" if name == signal.SIGXCPU.name else f"ends its process by {name}"
        raise ModelError(f"{what} ({why}); {remedy}")


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

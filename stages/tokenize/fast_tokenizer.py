"""gigatoken in the place of tokenizers, where it gives the same ids; some fifty times as fast.

It knows byte-level BPE with the patterns of common tokenizers, and BPE over words with `▁`. Whether it gives the same
ids is found out by encoding, in a process of its own (`difference`): it is native code, which a tokenizer.json of
others must not meet here first. Texts on which the two are known to differ go to tokenizers: those with a character
of `UNLIKE`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from sequitur.stages.tokenize import trial
from sequitur.stages.tokenize.hard_texts import hard_texts

FAST, LIBRARY = "gigatoken", "tokenizers"
# It keeps each word that it met. Of 64 MiB of random words, the worst there is, these are 0.47 GB, measured.
RENEWED_AFTER = 2**26
MEMORY = 2**29  # bytes that a `FastTokenizer` takes at most
# gigatoken goes by Unicode 17. tokenizers classes characters by 16 and composes them by an older one still: these, and
# what lies between them and is rare, may be letters, numbers or marks to one and none to the other, or change in order.
UNLIKE = """
    0295 0558 058b-058c 05c8-05c9 07fd 088f-089f 08ca-08d3 09fe 0b53-0b54 0c3c 0c5c 0cdc 0d3b-0d3c 0eba 1715 1abf-1af0
    1df6-1dfa 208f 209d-209f 20c1-20c4 2b96 2e60-2e63 a7ce-a7f1 a82c ab6c-ab6d fbc3-fbd2 fd90-fd91 fdc8-fdce 10780-1d3ff
    1d6a6 1db00-1efff 1f1ae 1f6d8-1f6d9 1f777-1f77a 1f7da-1f7db 1f7f1-1f7ff 1f8d0-1f8d8 1fa54-1fa57 1fa8a-1fa8e 1fac8
    1facc-1facd 1fadd 1faea-1faeb 1faef 1faf9-1fafa 1fbfa 2b73a-2b73f 2b81e 2cea2-2cead 323b0-3ffff
"""
RANGES = tuple((int(span[0], 16), int(span[-1], 16)) for span in (span.split("-") for span in UNLIKE.split()))


def unlike(text: pa.LargeStringArray) -> np.ndarray:
    """The rows whose texts the two may encode differently, ascending; int64. 2 ms a megabyte, 0.2 of ASCII."""
    ranges = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in RANGES)
    beyond = pc.indices_nonzero(pc.invert(pc.string_is_ascii(text)))
    has = pc.match_substring_regex(text.take(beyond), f"[{ranges}]")
    return beyond.filter(has).to_numpy().astype(np.int64)


class FastTokenizer:
    """The ids of texts by gigatoken. Special tokens that stand in a text are encoded as the text that they are.

    Not for threads. Memory: `MEMORY`, most of it for the words it met.
    """

    def __init__(self, content: bytes) -> None:
        self._content = without_special(content)
        self._renew()

    def _renew(self) -> None:
        from gigatoken.gigatoken_rs import load_hf_json

        self._encode = load_hf_json(self._content).encode
        self._bytes = 0

    def encode(self, text: pa.LargeStringArray) -> list[np.ndarray]:
        """The ids of each text; uint32. 130 MB/s where most words are known, 20 where none is."""
        starts = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1].tolist()
        data = memoryview(text.buffers()[2] or b"")
        found = []
        for first, last in pairwise(starts):
            if self._bytes > RENEWED_AFTER:
                self._renew()
            self._bytes += last - first
            found.append(self._encode(bytes(data[first:last])))
        return found


def without_special(content: bytes) -> str:
    """A tokenizer.json without its special tokens, which gigatoken would find in text whatever it is told.

    Raises:
        ValueError: it has what gigatoken does not tell apart.
    """
    whole: dict[str, Any] = json.loads(content)
    tokens = [token for token in whole.get("added_tokens", ()) if not token["special"]]
    if whole.get("normalizer") is not None and any(token["normalized"] for token in tokens):
        raise ValueError("an added token is looked for in normalized text")
    if whole["model"].get("dropout"):
        raise ValueError("its merges are left out at random")
    return json.dumps(whole | {"added_tokens": tokens})


def difference(content: bytes, texts: pa.LargeStringArray) -> str | None:
    """Why gigatoken will not do: it is tried on some texts, on hard ones, and on all words of the vocabulary; 2 s.

    Args:
        content: of a tokenizer.json that was tried out.
        texts: some of those to be encoded; what is `unlike` among them says nothing.

    Returns:
        None where it gives the ids that tokenizers gives; else why not, in a few words.
    """
    try:
        fast = without_special(content)
    except ValueError as error:
        return str(error)
    hard = hard_texts({point for first, last in RANGES for point in range(first, last + 1)})
    some = pa.chunked_array([pa.array([*hard, *_words(content)], pa.large_string()), texts]).combine_chunks()
    like = np.delete(np.arange(len(some)), unlike(some))
    given = {"tokenizer": content.decode(), "fast": fast, "texts": some.take(like).to_pylist()}
    command = [sys.executable, "-P", trial.__file__, "same"]
    ended = subprocess.run(command, input=json.dumps(given).encode(), capture_output=True, check=False)  # noqa: S603
    if ended.returncode == 0:
        return None
    if ended.returncode < 0:
        return f"it ends its process by {signal.Signals(-ended.returncode).name}"
    return (ended.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why"])[-1][:200]


def _words(content: bytes) -> Iterator[str]:
    """All words of a tokenizer, and what is found in text as a whole, or was before it was told not to."""
    tokenizer = Tokenizer.from_str(content.decode())
    for word in tokenizer.get_vocab(with_added_tokens=False):
        yield tokenizer.decoder.decode([word]) if tokenizer.decoder else word
    for token in tokenizer.get_added_tokens_decoder().values():
        one = token.content
        yield from (one, f"a{one}b", f" {one} {one}\n", f"{one}{one}.")

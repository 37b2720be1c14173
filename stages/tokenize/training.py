"""A tokenizer of a corpus's own: the byte-level BPE that the trainer of tokenizers makes, in a third of the time.

gigatoken splits the sample into words, which takes the library most of its time; merges are learnt from how often each
occurs (`merges`). Texts on which the two differ are split by tokenizers, and all where gigatoken is not installed.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from sequitur.stages.tokenize.declaration import END_OF_DOCUMENT
from sequitur.stages.tokenize.fast_tokenizer import unlike
from sequitur.stages.tokenize.merges import learn_merges
from sequitur.text_core.units.offsets import offsets_of

LEAST = 2  # how often a pair of symbols occurs that becomes one


def train(texts: list[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE trained on some texts; `END_OF_DOCUMENT` is its id 0. Deterministic; 10 MB/s."""
    letters = letters_of_bytes()
    byte_of = np.argsort(letters)  # by id, from 1 on
    id_of = np.empty(256, dtype=np.int64)
    id_of[byte_of] = np.arange(1, 257)
    counts = count_words(texts)
    symbols = id_of[np.frombuffer(b"".join(counts), dtype=np.uint8)]
    starts, occurs = offsets_of([len(word) for word in counts]), np.array([*counts.values()], dtype=np.int64)
    words = [END_OF_DOCUMENT, *map(chr, letters[byte_of])]
    merges: dict[tuple[int, int], None] = {}
    for left, right, made in learn_merges(symbols, starts, occurs, len(words), vocabulary, LEAST).tolist():
        if made == len(words):
            words.append(words[left] + words[right])
        merges.pop((left, right), None)  # learnt twice, it has the rank of the second time
        merges[left, right] = None
    named = [(words[left], words[right]) for left, right in merges]
    tokenizer = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, named))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return tokenizer


def count_words(texts: list[str]) -> Counter[bytes]:
    """How often each word occurs, as a byte-level BPE splits texts into words. 20 MB/s; 1 by tokenizers."""
    try:
        from gigatoken.gigatoken_rs import pretokenizer as words_of
    except ImportError:
        others = set(range(len(texts)))
    else:
        others = set(unlike(pa.array(texts, pa.large_string())).tolist())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    bytes_of = {letter: byte for byte, letter in enumerate(letters_of_bytes().tolist())}
    counts: Counter[bytes] = Counter()
    for row, text in enumerate(texts):
        if row in others:
            counts.update(word.translate(bytes_of).encode("latin-1") for word, _ in split(text))
        else:
            counts.update(words_of(text.encode()))
    return counts


def letters_of_bytes() -> np.ndarray:
    """The character that stands for each byte in a byte-level BPE, as GPT-2 chose them; int64 [256]."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = np.zeros(256, dtype=np.int64)
    letters[printable] = printable
    letters[letters == 0] = 256 + np.arange(256 - len(printable))
    return letters

"""How fast is text made into ids, training included, against `tokenizers`; and are they the same?

    python -m benchmarks.tokens [--corpus FILE] [--megabytes 200] [--theirs 20]

Ours is what the stage `tokenize` does: a byte-level BPE trained on a sample, gigatoken tried on another, all documents
encoded in batches of Arrow strings. The library trains on the same sample and encodes by `encode_batch_fast`. Both on
one thread, by turns over blocks of documents, in processor time. The documents are those of a corpus, by default the
demo corpus of this environment, again and again until there are enough. From the second time on letters are exchanged,
by a table for each time, so that words are new, which is the worst for gigatoken: it remembers those that it met. The
library, which does not, encodes one block of ten; the ids of these are compared.

`tokenize_mb_per_s` is all text by all time of ours, `tokenize_vs_tokenizers` how many times as long the library takes
for as much, the others are parts of it. One JSON object is the last line of stdout. Cost: a minute.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.encode import texts_of
from sequitur.stages.tokenize.declaration import END_OF_DOCUMENT
from sequitur.stages.tokenize.encoding import encode
from sequitur.stages.tokenize.fast_tokenizer import FastTokenizer, difference
from sequitur.stages.tokenize.training import train

MB = 10**6
SAMPLE = 2**24  # bytes; the default of `tokenize.sample_bytes`
TRIED = 2**20
VOCABULARY = 32768
BLOCK = 4 * MB


def documents(corpus: Path | None, size: int) -> list[str]:
    """About so many bytes of texts, in random order; what comes a second time has other letters."""
    texts = texts_of(corpus)
    generator = np.random.default_rng(0)
    found: list[str] = []
    letters, rest = "abcdefghijklmnopqrstuvwxyz", size
    while rest > 0:
        to = "".join(np.array(list(letters))[generator.permutation(26)]) if found else letters
        table = str.maketrans(letters + letters.upper(), to + to.upper())
        for row in generator.permutation(len(texts)):
            if rest <= 0:
                break
            found.append(texts[row].translate(table))
            rest -= len(found[-1].encode())
    return [found[row] for row in generator.permutation(len(found))]


def library_trained(texts: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=[END_OF_DOCUMENT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def beginning(texts: list[str], size: int) -> list[str]:
    """The first texts, up to so many characters."""
    ends = np.cumsum([len(text) for text in texts])
    return texts[: int(np.searchsorted(ends, size)) + 1]


def blocks(texts: list[str]) -> Iterator[pa.LargeStringArray]:
    """The texts as arrays of about `BLOCK` characters."""
    ends = np.cumsum([len(text) for text in texts])
    cuts = np.searchsorted(ends, np.arange(0, ends[-1], BLOCK))
    for first, last in pairwise([*cuts.tolist(), len(texts)]):
        if last > first:
            yield pa.array(texts[first:last], pa.large_string())


def timed(work: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """What is done, and the seconds of processors, those of processes that it started among them."""
    started = os.times()
    done = work(*given)
    return done, sum(os.times()[:4]) - sum(started[:4])


def measure(texts: list[str], theirs_every: int) -> dict[str, Any]:
    sample, tried = beginning(texts, SAMPLE), pa.array(beginning(texts, TRIED), pa.large_string())
    train(["once, so that its kernels are compiled"], 300)
    theirs, their_training = timed(library_trained, sample)
    ours, our_training = timed(train, sample, VOCABULARY)
    content = ours.to_str().encode()
    why, trying = timed(difference, content, tried)
    fast, encoding = timed(FastTokenizer, content)
    ours.encode_special_tokens = True
    their_encoding, size, their_size, same = 0.0, 0, 0, True
    for number, block in enumerate(blocks(texts)):
        found, seconds = timed(encode, ours, 0, block, fast)
        encoding, size = encoding + seconds, size + block.nbytes
        if number % theirs_every == 0:
            expected, seconds = timed(encode, ours, 0, block)
            their_encoding, their_size = their_encoding + seconds, their_size + block.nbytes
            same &= all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))
            print(f"{size / MB:,.0f} MB in {encoding:.1f} s", file=sys.stderr)
    their_encoding *= size / their_size
    all_ours = our_training + trying + encoding
    return {
        "megabytes": round(size / MB, 1),
        "same_tokenizer": content == theirs.to_str().encode(),
        "same_ids": same,
        "difference": why,
        "tokenize_mb_per_s": round(size / MB / all_ours, 1),
        "tokenize_vs_tokenizers": round((their_training + their_encoding) / all_ours, 1),
        "train_seconds": round(our_training, 2),
        "train_vs_tokenizers": round(their_training / our_training, 2),
        "trial_seconds": round(trying, 2),
        "encode_mb_per_s": round(size / MB / encoding, 1),
        "encode_vs_tokenizers": round(their_encoding / encoding, 1),
        "tokenizers_mb_per_s": round(size / MB / their_encoding, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="JSON lines with text, source and section")
    parser.add_argument("--megabytes", type=int, default=200, help="text that is encoded")
    parser.add_argument("--theirs-every", type=int, default=10, help="which blocks the library encodes, too")
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = documents(arguments.corpus, arguments.megabytes * MB)
    print(json.dumps(measure(texts, arguments.theirs_every)))


if __name__ == "__main__":
    main()

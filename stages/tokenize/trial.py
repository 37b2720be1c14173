"""A tokenizer of others, tried in a process of its own before this one takes it up.

The libraries are native code: a file that asks for more memory than there is ends the process in which it is loaded,
and a pattern can keep one busy for ever. It imports nothing of ours. Started as

    python -P trial.py         with the content of a tokenizer.json on its standard input: loads it, encodes some texts
    python -P trial.py same    with JSON: does gigatoken give the ids of tokenizers? If not, says why, and ends with 1
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from typing import Any

SECONDS = 8  # of processor time; a vocabulary of 262,144 words takes 2, measured
COMPARE_SECONDS = 20  # with all words of a vocabulary and some ten thousand texts
MEMORY = 3 * 2**30  # bytes; that vocabulary takes 0.4 of these
# Letters, a long word, controls and what is no character, marks of ends: what text of others may hold.
TEXTS = (
    "",
    "a",
    "the old river " * 200,
    "x" * 3000,
    "\0\ufffd\U0001f600" * 50,
    "\x1b[31m\x9b",
    "<|endoftext|> [SEP] </s>",
)
BATCH = 1024  # texts compared at a time


def main() -> None:
    same = sys.argv[1:] == ["same"]
    seconds = COMPARE_SECONDS if same else SECONDS
    for kind, bound in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # a lower bound is set already, or the system knows none
            resource.setrlimit(kind, (bound, resource.getrlimit(kind)[1]))
    content = sys.stdin.buffer.read().decode()
    if same:
        compare(**json.loads(content))
    else:
        _loaded(content).encode_batch_fast(TEXTS, add_special_tokens=False)


def compare(tokenizer: str, fast: str, texts: list[str]) -> None:
    """Ends the process, and says why, where gigatoken does not give the ids of tokenizers.

    Args:
        tokenizer: the content of a tokenizer.json.
        fast: the same for gigatoken.
        texts: what is encoded.
    """
    try:
        from gigatoken.gigatoken_rs import load_hf_json

        encode = load_hf_json(fast).encode
    except Exception as error:  # what it does not know; or it is not installed
        sys.exit(next(iter(str(error).splitlines()), type(error).__name__))
    library = _loaded(tokenizer)
    library.encode_special_tokens = True
    for start in range(0, len(texts), BATCH):
        some = texts[start : start + BATCH]
        for text, one in zip(some, library.encode_batch_fast(some, add_special_tokens=False), strict=True):
            if encode(text.encode()).tolist() != one.ids:
                sys.exit(f"it makes other ids of {text[:40]!a}")


def _loaded(content: str) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


if __name__ == "__main__":
    main()

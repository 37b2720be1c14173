"""A tokenizer of others, tried in a process of its own before this one takes it up.

The library is native code: a file that asks for more memory than there is ends the process in which it is loaded, and a
pattern can keep one busy for ever. Started as `python -P trial.py` with the content of a tokenizer.json on its standard
input. It imports nothing of ours.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

SECONDS = 20  # of processor time; a vocabulary of 262,144 words takes 2, measured
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


def main() -> None:
    for kind, bound in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # a lower bound is set already, or the system knows none
            resource.setrlimit(kind, (bound, resource.getrlimit(kind)[1]))
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(sys.stdin.buffer.read().decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_batch_fast(TEXTS, add_special_tokens=False)


if __name__ == "__main__":
    main()

"""Tokenizers as files: loaded from where a setting names them, tried before they are taken up."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.storage import Directory
from sequitur.stages.tokenize import trial
from sequitur.stages.tokenize.declaration import END_OF_DOCUMENT, TOKENIZER, file_named
from sequitur.stages.tokenize.encoding import of_library

# Names that published tokenizers give to the token that ends a document.
END_NAMES = (END_OF_DOCUMENT, "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "<EOS>", "[SEP]", "<|im_end|>")


def load(name: str) -> Tokenizer:
    """A tokenizer from the place of a tokenizer.json, of a directory that holds one, or by its name on the hub.

    Raises:
        ModelError: it cannot be read.
    """
    what, remedy = f"tokenize.tokenizer {name}: cannot be loaded", "give the path of a tokenizer.json"
    with of_library(what, remedy):
        content = _content(name)
    try_out(content, what, remedy)
    with of_library(what, remedy):
        return Tokenizer.from_str(content.decode())


def _content(name: str) -> bytes:
    from huggingface_hub import hf_hub_download  # takes a while to load, and only what loads a tokenizer needs it

    found = file_named(name)
    return Path(hf_hub_download(name, TOKENIZER)).read_bytes() if found is None else found[1]


def where_stored(tokens: Directory) -> tuple[str, str]:
    """What is wrong where the tokenizer beside tokens fails, and the remedy."""
    return f"{tokens.path(TOKENIZER)}: cannot be read", f"delete {tokens.path()} and run again"


def stored(tokens: Directory) -> Tokenizer:
    """The tokenizer that lies beside tokens."""
    with of_library(*where_stored(tokens)):
        return Tokenizer.from_str(tokens.read_bytes(TOKENIZER).decode())


def end_id(tokenizer: Tokenizer, named: str | None) -> int:
    """The id of the end-of-document token: the one named, or the first usual one that the tokenizer has.

    Raises:
        ModelError: it has no such token.
    """
    for name in (named,) if named else END_NAMES:
        token = tokenizer.token_to_id(name)
        if token is not None:
            return int(token)
    raise ModelError(
        f"tokenize.end_of_document: the tokenizer has no token {named or ' or '.join(END_NAMES)}; name one that it has"
    )


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """The least bound on its ids, among which there may be holes."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1


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

"""From token ids to text, and text made fit for a terminal."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.errors import TokenizerMismatch
from sequitur.shards.format import BYTES_TOKENIZER, TOKENIZER_NAME, TokenizerInfo

TITLE_LENGTH = 80
_HEAD_LENGTH = 1000  # of a text, where its title is looked for
_TOKENIZER_BYTES = 1 << 30  # more than any tokenizer.json
_END_OF_DOCUMENT = "\u2404"

# Shown as pictures or escapes: C0 and DEL as U+2400 …, C1 and the marks that reorder text (Unicode bidi) as \uXXXX.
_HARMLESS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_HARMLESS[0x7F] = "\u2421"
_HARMLESS.update(
    (code, f"\\u{code:04x}")
    for codes in (range(0x80, 0xA0), (0x061C, 0x200E, 0x200F), range(0x2028, 0x202F), range(0x2066, 0x206A))
    for code in codes
)


def harmless(text: str) -> str:
    """`text` without characters that command a terminal or reorder what is read; line breaks and tabs
    stay."""
    return text.translate(_HARMLESS)


def harmless_all(value: Any) -> Any:
    """A JSON-like value with every string in it, keys too, made harmless."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {harmless_all(key): harmless_all(one) for key, one in value.items()}
    return [harmless_all(one) for one in value] if isinstance(value, list | tuple) else value


def title_in(text: str) -> str:
    """What a text says first: the `title:` among its first lines, as front matter has it, or else the first line with
    a letter or digit; empty where there is none."""
    head = text[:_HEAD_LENGTH]
    if titled := re.search(r"^title:[ \t]*(\S.*)$", head, re.IGNORECASE | re.MULTILINE):
        return titled[1].strip("\"' \t")
    return next((line.strip("#*=- \t") for line in head.splitlines() if any(map(str.isalnum, line))), "")


class Decoder:
    """Token ids to text, by the tokenizer.json of a dataset; `bytes` needs none.

    About 5 million tokens per second and core. The file is read, and its hash compared, when first used.
    """

    def __init__(self, root: Path, tokenizer: TokenizerInfo) -> None:
        self._root, self._info = root, tokenizer
        self._tokenizer: Any = None

    def texts(self, pieces: Sequence[NDArray[np.uint32]]) -> list[str]:
        """The text of each piece, special tokens included, as it is: pass it through `harmless` before it is
        printed. A character that a piece has only a part of becomes U+FFFD.

        Raises TokenizerMismatch: tokenizer.json is missing, another one, or none that can be read.
        """
        if self._info.name == BYTES_TOKENIZER:
            return [_decode_bytes(ids) for ids in pieces]
        texts: list[str] = self._loaded().decode_batch([ids.tolist() for ids in pieces], skip_special_tokens=False)
        return texts

    def encoded(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, special tokens by their text; about a million a second and core. Raises as `texts`."""
        if self._info.name == BYTES_TOKENIZER:
            return [list(text.encode()) for text in texts]
        return [one.ids for one in self._loaded().encode_batch_fast(list(texts), add_special_tokens=False)]

    def _loaded(self) -> Any:
        if self._tokenizer is None:
            self._tokenizer = _load(self._root / TOKENIZER_NAME, self._info.sha256)
        return self._tokenizer


def _load(path: Path, sha256: str) -> Any:
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        with path.open("rb") as file:
            content = file.read(_TOKENIZER_BYTES)
    except OSError as error:
        raise TokenizerMismatch(f"{TOKENIZER_NAME} is missing: copy it again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise TokenizerMismatch(f"{TOKENIZER_NAME} is not the one that made the tokens: copy it again")
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(content.decode())
    except BaseException as error:  # bare Exception of the library; where Rust panics, what is none
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise TokenizerMismatch(f"{TOKENIZER_NAME} cannot be read ({error}): update `tokenizers`") from error


def _decode_bytes(ids: NDArray[np.uint32]) -> str:
    runs = np.split(ids, np.flatnonzero(ids == 256))
    texts = [run[run < 256].astype(np.uint8).tobytes().decode("utf-8", "replace") for run in runs]
    return _END_OF_DOCUMENT.join(texts)

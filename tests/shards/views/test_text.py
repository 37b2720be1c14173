"""Text for a terminal, and token ids to text."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from sequitur.shards.errors import TokenizerMismatch
from sequitur.shards.format import TokenizerInfo
from sequitur.shards.views.text import Decoder, harmless, harmless_all, title_in


def test_harmless() -> None:
    assert harmless("a\tb\nc") == "a\tb\nc"
    assert harmless("\x00\x1b\x7f\x9b\r") == "\u2400\u241b\u2421\\u009b\u240d"
    assert harmless("\u202e\u2066\u200f") == "\\u202e\\u2066\\u200f"
    assert harmless("é 日本 \U0001f642 [red]") == "é 日本 \U0001f642 [red]"


def test_harmless_all_reaches_every_string() -> None:
    assert harmless_all({"a\x1b": ["\x1b", {"b": ("\x1b", 1, None, 0.5)}]}) == {
        "a\u241b": ["\u241b", {"b": ["\u241b", 1, None, 0.5]}]
    }


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n  # Heading ##\nBody.", "Heading"),
        ("---\nid: 1\nTitle:  'Front matter' \n---\nBody", "Front matter"),
        ("---\n***\nfirst words\n", "first words"),
        ("title:\nnothing after it", "title:"),
        (" \n --- \n", ""),
        ("", ""),
    ],
)
def test_title_in(text: str, title: str) -> None:
    assert title_in(text) == title


def test_bytes_need_no_file(tmp_path: Path) -> None:
    decoder = Decoder(tmp_path, TokenizerInfo("bytes", None, "", 257))
    pieces = [np.array([*"é".encode(), 256, *b"b", 256], dtype=np.uint32), np.array([0xC3], dtype=np.uint32)]
    assert decoder.texts(pieces) == ["é\u2404b\u2404", "\ufffd"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "1.0"}', "\u0000"])
def test_a_tokenizer_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    decoder = Decoder(tmp_path, TokenizerInfo("trained", None, hashlib.sha256(content.encode()).hexdigest(), 9))
    with pytest.raises(TokenizerMismatch, match=r"tokenizer\.json cannot be read"):
        decoder.texts([np.zeros(1, dtype=np.uint32)])

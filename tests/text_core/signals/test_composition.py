# ruff: noqa: RUF001 (the confusable characters are what is tested)
"""Signals of composition against plain Python."""

import math
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.composition import composition_signals
from sequitur.text_core.units.character_kinds import SCRIPTS
from sequitur.text_core.units.characters import character_table
from sequitur.text_core.units.lines import line_table
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.tokens import token_table
from sequitur.text_core.units.words import word_table

PIECES = ["The cat ", "the ", "NASA ", "USA2 ", "ça ", "Été ", "ДА ", "да", "字", "かー", "ไ", "한", "Ω", "ש", "ع", "ह"]
PIECES += ["Ա", "lorem ipsum ", "JavaScript ", "javascript", "{", "}", "#", "...", "…", ".", "!", "”", "•", "– ", "-"]
PIECES += ["1", "½", "\n", "\n\n", " ", "\t", "\r\n", "\u2028", "\u3000", "٣"]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)

SCRIPT_PATTERNS = {script: rf"\p{{Script={script}}}" for script in SCRIPTS} | {"kana": r"[\p{Hiragana}\p{Katakana}ー]"}


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    tables = token_table(strings), word_table(strings), character_table(strings), line_table(strings)
    return composition_signals(strings, *tables)


def slices(text: str, table) -> list[str]:
    data = text.encode()
    return [data[i:j].decode() for i, j in zip(table.start, table.end, strict=True)]


def expected(text: str) -> dict[str, float]:
    """The definitions again; only what a word and a token is, is taken from the tables."""
    strings = from_arrow(pa.array([text], pa.large_string()))
    words, tokens = slices(text, word_table(strings)), slices(text, token_table(strings))
    folded = [word.casefold() for word in words]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    letters = [character for character in text if character.isalpha()]
    shares = [count / len(words) for count in Counter(folded).values()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    scripts = {name: sum(bool(regex.match(p, c)) for c in letters) for name, p in SCRIPT_PATTERNS.items()}
    scripts["other_script"] = len(letters) - sum(scripts.values())
    counted = {
        "all_caps_word_share": (sum(word.isupper() for word in words), len(words)),
        "unique_word_share": (len(set(folded)), len(words)),
        "unigram_entropy": (-sum(share * math.log(share) for share in shares), 1),
        "symbol_to_word_ratio": (symbols, len(tokens)),
        "curly_bracket_share": (text.count("{") + text.count("}"), len(text)),
        "lorem_ipsum_share": (len(re.findall(" lorem(?= ipsum )", f" {' '.join(folded)} ")), len(text)),
        "numerical_char_share": (len(regex.findall(r"\p{N}", text)), len(text)),
        "uppercase_char_share": (sum(map(str.isupper, text)), len(text)),
        "words_per_line": (len(words), len(lines)),
        "javascript_word_count": (folded.count("javascript"), 1),
        "terminal_mark_line_share": (sum(line.endswith((".", "!", "?", "”")) for line in lines), len(lines)),
        "bullet_point_line_share": (sum(line.startswith(("•", "–")) for line in lines), len(lines)),
        **{f"{name}_share": (count, len(letters)) for name, count in scripts.items()},
    }
    return {name: count / total if total else 0 for name, (count, total) in counted.items()}


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3))
def test_signals_are_those_of_plain_python(documents):
    signals = signals_of(*documents)
    for i, text in enumerate(documents):
        found = {name: float(values[i]) for name, values in signals.items()}
        del found["sentence_count"]
        assert found == pytest.approx(expected(text), rel=1e-6, abs=1e-7)


def test_a_small_document():
    signals = signals_of("• NASA is here. The cat sat.\n\n– {x: 12}\n字。")
    found = {name: values[0].item() for name, values in signals.items()}
    assert found["sentence_count"] == 3
    assert found["words_per_line"] == pytest.approx(9 / 3)
    assert found["bullet_point_line_share"] == pytest.approx(2 / 3)
    assert found["terminal_mark_line_share"] == pytest.approx(1 / 3)
    assert found["curly_bracket_share"] == pytest.approx(2 / 42)
    assert found["numerical_char_share"] == pytest.approx(2 / 42)
    assert found["latin_share"] == pytest.approx(20 / 21)


@pytest.mark.filterwarnings("error")
def test_empty_documents_have_zeros():
    for values in signals_of("", " \n\n").values():
        assert values.tolist() == [0, 0]
    assert all(len(values) == 0 for values in signals_of().values())


def test_entropy_of_equal_words_is_nothing_and_of_different_ones_is_the_logarithm():
    signals = signals_of("same " * 1000, " ".join(f"word{i}" for i in range(1000)))
    assert signals["unigram_entropy"].tolist() == [0, pytest.approx(math.log(1000))]
    assert signals["unique_word_share"].tolist() == [pytest.approx(0.001), 1]

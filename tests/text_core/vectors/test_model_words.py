# ruff: noqa: RUF001 (characters that look alike are what is tested)
"""The words that the table finds are those of the `tokenizers` library, whatever the text."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, normalizers, pre_tokenizers

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors import model_words
from sequitur.text_core.vectors.model_words import (
    WORD,
    most_signs,
    normal,
    read_signs,
    read_tables,
    word_tables,
    write_tables,
)

NORMALIZER = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
SPLITTER = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)


def by_library(text: str) -> list[str]:
    return [word for word, _ in SPLITTER.pre_tokenize_str(NORMALIZER.normalize_str(text))]


def words_of(texts: list[str]) -> list[list[str]]:
    strings = from_arrow(normal(pa.array(texts, pa.large_string())))
    becomes, _, expansions = word_tables()
    room = np.empty(most_signs(strings), dtype=np.int32)
    found = []
    for start, end in zip(strings.offsets, strings.offsets[1:], strict=False):
        signs = room[: read_signs(strings.data, start, end, becomes, expansions, room)].tolist()
        marked = "".join(chr(sign) if sign > 0 else f" {chr(-sign)} " if sign else " " for sign in signs)
        found.append(marked.split(" "))
    return [[word for word in words if word] for words in found]


def test_the_shipped_tables_are_those_of_the_installed_library(tmp_path):
    """Every code point; what another version of the library or of Unicode adds may differ."""
    write_tables(tmp_path / "tables.npz")
    shipped, regenerated = word_tables(), read_tables(tmp_path / "tables.npz")
    known = shipped.combining != model_words._NEEDS_LIBRARY
    assert np.count_nonzero(known) > 280_000
    assert np.array_equal(shipped.becomes[known], regenerated.becomes[known])
    assert np.array_equal(shipped.expansions, regenerated.expansions)
    if unicodedata.unidata_version == "14.0.0":
        assert np.array_equal(shipped.combining, regenerated.combining)


def test_what_is_normal_becomes_itself():
    """So the table may be asked of a text that the library has normalised."""
    becomes, combining, expansions = word_tables()
    single = becomes[becomes < model_words._EXPANDS]
    assert np.array_equal(becomes[np.abs(single)], single)
    starts = becomes[(becomes >= model_words._EXPANDS) & (combining != model_words._NEEDS_LIBRARY)]
    for start in starts - model_words._EXPANDS:
        signs = expansions[start + 1 : start + 1 + expansions[start]]
        assert np.array_equal(becomes[np.abs(signs)], signs)


@pytest.mark.parametrize(
    "text",
    [
        "Hello, World! It's snake_case and read_csv2 at 3.14% of x=y",
        "Ünïcödé ﬁne ½ ¼ ２０２４ ＡＢＣ İstanbul ẞtraße ΣΊΣΥΦΟΣ ǅ ㎏ ㌀ ﷺ ㍿ … ™ a\u00a0b\u2007c",
        "e\u0301te\u0301 o\u0323\u0302 o\u0302\u0323 \u0301a =\u0338 a<\u0338b",
        "人工智能，是计算机科学的一个分支。ｶﾞｷﾞ カ\u3099 日本語のテキスト",
        "ภาษาไทยกำลังน้ำ ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ",
        "हिन्दी क़लम ज़रा क\u093c বাংলা য় য\u09bc தமிழ் கொ",
        "العربيّة مُحَمَّد שָׁלוֹם",
        "한국어 \u1112\u1161\u11ab가\u11a8 ㄱㅏ ﾡ",
        "👩\u200d🔬 ❤\ufe0f 🇩🇪 \U0001d504\U0001d4d0 \U000e0041 \u0378 \U0010ffff \ud7a3",
        "",
        "\0\x01\x7f\u0085\u2028",
    ],
)
def test_words_are_those_of_the_library(text):
    assert words_of([text]) == [by_library(text)]


AWKWARD = (
    "aZ_9 .=<\n\u00a0éİßΣﬁ½①\u0301\u0327\u0338\u0323\u093c\u09bc\u09be"
    "\u1100\u1161\u11a8가각\u3099ｶﾞ中ไำ\u0e49ﷺ㌀\u0345\u0f71\u0f72\u0f74"
)


@settings(max_examples=400, deadline=None)
@example(["", "e\u0301", "plain", "中\u0301"])
@given(st.lists(st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=["Cs"]))), max_size=6))
def test_words_of_any_texts_are_those_of_the_library(texts):
    assert words_of(texts) == [by_library(text) for text in texts]


def test_texts_that_need_no_library_are_not_copied():
    array = pa.array(["Grüße, 世界", "ASCII", "naïve ½", None, "हिन्दी"], pa.large_string())
    assert normal(array) is array
    mixed = pa.array(["e\u0301 É", "É"], pa.large_string())
    assert normal(mixed).to_pylist() == ["é é", "É"]
    assert normal(mixed[1:]).to_pylist() == ["É"]

"""Texts on which tokenizers differ, if they do: letters, digits, marks, spaces and lines in turns, and long runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

# Each of them beside each.
PARTS = (
    "the", "The", "THE", "'s", "'S", "'ll", "'LL", "\u2019s", "don't", "I'VE", "'", "''", "_", "__init__", "-", "--",
    "/", "//", "!?…", "(", ")]}", "<", "<|", "|>", "</s>", "[UNK]", "<0x0A>", "▁", "▁the", "Ġ", "€$+=",
    "0", "12", "123", "1234567", "3.14", "١٢٣", "Ⅻ½²", "①", "\U0001d4b3\U0001d7d9",
    " ", "  ", "     ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\x0b\x0c", "\x85", "\xa0", "\u2003",
    "\u2028", "\u3000", "\u200b", "\u200d", "\ufeff", "\0", "\x1b[31m", "\x7f", "\ufffd", "\ufffe", "\U0010ffff",
    "é", "e\u0301", "e\u0323\u0301", "ﬁ", "\u0130i\u0307\u0131I", "ßẞ", "ǅ", "ʰ", "ª", "Ελλάς", "Привет",
    "עברית", "العربيّة", "हिन्दी", "ไทยภาษา", "한국어", "\u1100\u1161\u11a8", "中文字", "日本語カタカナー", "𠀀",
    "🙂", "👩\u200d👩\u200d👧\u200d👦", "🇫🇷🇩🇪", "❤️", "👍🏽", "1️⃣",
)  # fmt: skip
RUNS = ("a", "ab1 ", " ", "\n", "\t", "7", "=", "漢", "🙂", "e\u0301", "\u0301", "0123456789abcdef", "don't ")


def hard_texts(without: Collection[int]) -> Iterator[str]:
    """Some ten thousand short texts, and long ones: 0.5 MB, 0.2 s for tokenizers.

    Args:
        without: characters that are in none of them.
    """
    yield ""
    for part in PARTS:
        yield from (part, f"a{part}b {part} 1{part}2.{part}.", *(part + other for other in PARTS))
    for run in RUNS:
        yield from (run * 1000, run * 999 + "x")
    every = (point for point in range(1, 0x30000, 37) if not 0xD800 <= point < 0xE000 and point not in without)
    characters = "".join(map(chr, every))
    yield from (characters, " ".join(characters), "a".join(characters))

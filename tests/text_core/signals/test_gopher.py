from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import gopher_quality_filter as datatrove
from datatrove.utils.text import PUNCTUATION_SET
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.signals.gopher import gopher_quality_signals
from sequitur.text_core.signals.rules import GOPHER_QUALITY, first_failed
from sequitur.text_core.signals.stop_words import stop_words
from sequitur.text_core.units.characters import CharacterTable, character_table
from sequitur.text_core.units.lines import SplitLines, split_lines
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import TokenTable, token_table

PIECES = ["a", "the ", "of ", "The ", "5", "é", "字", ".", "...", "…", "#", "-", "•", " ", "\t", "\u3000"]
PIECES += ["\n", "\r\n", "\r", "\x1c", "\u2028", "\n\n", "don't ", "(", "\u200d"]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)

# datatrove's reason to the rule that is the same
REASONS = {
    "gopher_short_doc": "gopher_too_few_words",
    "gopher_long_doc": "gopher_too_many_words",
    "gopher_below_avg_threshold": "gopher_words_too_short",
    "gopher_above_avg_threshold": "gopher_words_too_long",
    "gopher_too_many_hashes": "gopher_too_many_hashes",
    "gopher_too_many_ellipsis": "gopher_too_many_ellipses",
    "gopher_too_many_bullets": "gopher_too_many_bullet_lines",
    "gopher_too_many_end_ellipsis": "gopher_too_many_ellipsis_lines",
    "gopher_below_alpha_threshold": "gopher_too_few_alphabetic_words",
    "gopher_enough_stop_words": "gopher_too_few_stop_words",
}
NO_LIMITS = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)


def strings_of(*texts: str) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


def tables_of(strings: Strings) -> tuple[Strings, TokenTable, CharacterTable, SplitLines]:
    return strings, token_table(strings), character_table(strings), split_lines(strings)


def signals_of(*texts: str) -> dict[str, np.ndarray]:
    strings = strings_of(*texts)
    return gopher_quality_signals(*tables_of(strings))


def datatrove_drops(text: str, words: list[str], **limit: float) -> bool:
    """datatrove's verdict under one limit, given `words`."""
    rule = datatrove.GopherQualityFilter(**NO_LIMITS | limit)
    with patch.object(datatrove, "split_into_words", lambda *_: words):
        return rule.filter(Document(text=text, id="0")) is not True


def datatrove_reasons(texts: list[str], words: list[list[str]]) -> list[str | None]:
    """Which of our rules is that for which datatrove drops each text, given its words; None where it keeps it."""
    rule = datatrove.GopherQualityFilter()
    reasons = []
    for text, own in zip(texts, words, strict=True):
        with patch.object(datatrove, "split_into_words", lambda *_, own=own: own):
            kept = rule.filter(Document(text=text, id="0"))
        reasons.append(None if kept is True else REASONS[kept[1]])
    return reasons


def test_a_small_document():
    text = "# The cat's café\n- and 42 dogs...\n\nwait … for 1.5 #2"
    words = ["The", "cat", "'s", "café", "and", "42", "dogs", "wait", "for", "1.5", "2"]
    symbols = ["#", "-", "...", "…", "#"]
    tokens = len(words) + len(symbols)
    assert {name: values[0] for name, values in signals_of(text).items()} == {
        "byte_count": len(text.encode()),
        "char_count": len(text),
        "line_count": 4,
        "token_count": tokens,
        "word_count": len(words),
        "mean_word_length": len("".join(words)) / len(words),
        "hash_to_word_ratio": 2 / tokens,
        "ellipsis_to_word_ratio": 2 / tokens,
        "bullet_line_ratio": 1 / 4,
        "ellipsis_line_ratio": 1 / 4,
        "alphabetic_word_ratio": 8 / tokens,
        "alphabetic_chunk_ratio": 7 / 10,  # #, - and … are of punctuation alone
        "letters_per_word": len("Thecatscaféanddogswaitfor") / len(words),
        "spaced_share": 1,
        "stop_words_known": 8,
        "stop_word_share": np.float32(1 / tokens),
        "stop_word_count": 1,  # "and"; "The" is not "the"
    }


@settings(max_examples=50, deadline=None)
@given(texts)
def test_chunks_are_what_white_space_divides_but_punctuation(text):
    chunks = [chunk for chunk in text.split() if not set(chunk) <= PUNCTUATION_SET]
    alphabetic = sum(any(character.isalpha() for character in chunk) for chunk in chunks)
    assert signals_of(text)["alphabetic_chunk_ratio"][0] == (alphabetic / len(chunks) if chunks else 0)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 1),
        ("42!", 1),
        ("English, по-русски, עברית, हिन्दी, 한국어", 1),
        ("漢字かなカナ", 0),
        ("ภาษาไทย ພາສາລາວ ភាសាខ្មែរ မြန်မာဘာသာ བོད་ཡིག", 0),
        ("ᬩᬮᬶ ꦗꦮ ᥖᥭᥰ ꆈꌠ", 0),
        ("abc字", 0.75),
    ],
)
def test_the_share_of_letters_whose_scripts_space_words(text, share):
    assert signals_of(text)["spaced_share"][0] == share


def test_sixty_four_stop_words_are_counted_to_the_last():
    words = [f"w{number}" for number in range(64)]
    strings = strings_of(" ".join(words), "w63 w63", "none")
    counts = gopher_quality_signals(*tables_of(strings), stop_words({"en": words}))
    assert counts["stop_word_count"].tolist() == [64, 1, 0]
    assert counts["stop_word_share"].tolist() == [1, 1, 0]


def test_a_language_without_a_list_has_the_words_of_english_and_is_told():
    strings = strings_of("the of", "the of")
    counts = gopher_quality_signals(*tables_of(strings), languages=np.array([0, -1]))
    assert counts["stop_word_count"].tolist() == [2, 2]
    assert counts["stop_words_known"].tolist() == [8, 0]


@pytest.mark.filterwarnings("error")
def test_documents_without_words_have_zeros():
    signals = signals_of("", " \n ", "---")
    for name in ("word_count", "mean_word_length", "hash_to_word_ratio", "ellipsis_to_word_ratio", "stop_word_count"):
        assert signals[name].tolist() == [0, 0, 0]
    expected = dict.fromkeys(signals, 0) | {"spaced_share": 1, "stop_words_known": 8}
    assert {name: values[0] for name, values in signals.items()} == expected
    assert signals_of()["word_count"].shape == (0,)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_counts_are_those_of_python(documents):
    signals = signals_of(*documents)
    assert signals["byte_count"].tolist() == [len(text.encode()) for text in documents]
    assert signals["char_count"].tolist() == [len(text) for text in documents]
    assert signals["line_count"].tolist() == [len(text.splitlines()) for text in documents]
    ellipses = signals["ellipsis_to_word_ratio"] * signals["token_count"]
    expected = [text.count("...") + text.count("…") for text in documents]
    assert np.allclose(ellipses, expected)


@settings(max_examples=100, deadline=None)
@given(text=texts.map(lambda text: f"word {text}"), limit=st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8, 0.9]))
def test_ratios_lead_to_the_verdicts_of_datatrove(own_tokens, text, limit):
    signals = {name: values[0] for name, values in signals_of(text).items()}
    words = own_tokens(strings_of(text))[0]
    too_many = max(signals["hash_to_word_ratio"], signals["ellipsis_to_word_ratio"]) > limit
    assert too_many == datatrove_drops(text, words, max_symbol_word_ratio=limit)
    for signal, setting in (
        ("bullet_line_ratio", "max_bullet_lines_ratio"),
        ("ellipsis_line_ratio", "max_ellipsis_lines_ratio"),
    ):
        assert (signals[signal] > limit) == datatrove_drops(text, words, **{setting: limit})
    assert (signals["alphabetic_word_ratio"] < limit) == datatrove_drops(text, words, max_non_alpha_words_ratio=limit)
    for count in (2, 4):
        assert (signals["word_count"] < count) == datatrove_drops(text, words, min_doc_words=count)
        assert (signals["mean_word_length"] < count) == datatrove_drops(text, words, min_avg_word_length=count)
        assert (signals["stop_word_count"] < count) == datatrove_drops(text, words, min_stop_words=count)


def test_verdicts_on_real_text_are_those_of_datatrove(demo_texts, own_tokens, spacy_tokens):
    """Given the same words, all and for the same reason; with those of spaCy, but for documents near a threshold."""
    failed = first_failed(GOPHER_QUALITY, signals_of(*demo_texts))
    ours = [GOPHER_QUALITY[index].name if index >= 0 else None for index in failed]
    assert ours == datatrove_reasons(demo_texts, own_tokens(strings_of(*demo_texts)))
    assert len(set(ours)) >= 5
    theirs = datatrove_reasons(demo_texts, spacy_tokens)
    assert np.mean([(own is None) == (their is None) for own, their in zip(ours, theirs, strict=True)]) >= 0.98


def test_stop_words_count_once_in_their_case_and_language():
    table = stop_words()
    strings = strings_of("the The THE of off", "the be to of and that have with", "die und the", "die und the")
    places = [0, 0, table.languages.index("de"), 0]
    counts = gopher_quality_signals(*tables_of(strings), table, np.array(places))["stop_word_count"]
    assert counts.tolist() == [2, 8, 2, 1]


def test_the_share_of_stop_words_counts_each_time():
    table = stop_words()
    strings = strings_of("und der Hund", "the dog", "the the THE of off")
    places = np.array([table.languages.index("de"), 0, 0])
    shares = gopher_quality_signals(*tables_of(strings), table, places)["stop_word_share"]
    assert shares.tolist() == [np.float32(2 / 3), np.float32(1 / 2), np.float32(3 / 5)]


@settings(max_examples=50, deadline=None)
@given(texts)
def test_the_share_of_stop_words_is_that_of_plain_python(text):
    table = token_table(strings_of(text))
    tokens = [text.encode()[i:j].decode() for i, j in zip(table.start, table.end, strict=True)]
    found = sum(token in ("the", "be", "to", "of", "and", "that", "have", "with") for token in tokens)
    assert signals_of(text)["stop_word_share"][0] == pytest.approx(found / len(tokens) if tokens else 0, rel=1e-6)


def test_a_language_that_is_not_there_is_refused():
    strings = strings_of("a")
    with pytest.raises(ValueError, match=r"languages must lie in \[-1, \d+\)"):
        gopher_quality_signals(*tables_of(strings), languages=np.array([-2]))
    with pytest.raises(ValueError, match="languages must lie in"):
        gopher_quality_signals(*tables_of(strings), languages=np.array([10_000]))


def test_a_slice_of_an_array_has_the_signals_of_its_rows():
    array = pa.array(["first document", "# the second…\n", "• third 字"], pa.large_string())
    strings = from_arrow(array.slice(1))
    sliced = gopher_quality_signals(*tables_of(strings))
    whole = signals_of(*array.to_pylist())
    assert {name: values.tolist() for name, values in sliced.items()} == {
        name: values[1:].tolist() for name, values in whole.items()
    }

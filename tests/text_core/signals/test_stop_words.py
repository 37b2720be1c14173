import pyarrow as pa
import pytest

from sequitur.text_core.signals.gopher import gopher_quality_signals
from sequitur.text_core.signals.stop_words import built_in_stop_words, language_places, stop_words
from sequitur.text_core.units.characters import CharacterTable, character_table
from sequitur.text_core.units.lines import SplitLines, split_lines
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import TokenTable, token_table


def tables_of(strings: Strings) -> tuple[Strings, TokenTable, CharacterTable, SplitLines]:
    return strings, token_table(strings), character_table(strings), split_lines(strings)


def test_every_language_has_at_least_eight_words_that_are_found_in_text():
    table = stop_words()
    lists = built_in_stop_words()
    strings = from_arrow(pa.array([" ".join(words) for words in lists.values()], pa.large_string()))
    places = language_places(table, lists)
    found = gopher_quality_signals(*tables_of(strings), table, places)["stop_word_count"]
    assert found.tolist() == [len(words) for words in lists.values()]
    assert (min(found), max(found)) == (8, 64)
    assert table.languages[0] == "en"


def test_own_words_replace_those_of_a_language():
    table = stop_words({"en": ["cat"], "xx": ["blah", "Blah"]})
    strings = from_arrow(pa.array(["the cat", "blah the Blah"], pa.large_string()))
    places = language_places(table, ["en", "xx"])
    counts = gopher_quality_signals(*tables_of(strings), table, places)["stop_word_count"]
    assert counts.tolist() == [1, 2]


@pytest.mark.parametrize("count", [1, 8, 63, 64, 65, 129, 1000])
def test_any_number_of_words_is_counted(count):
    words = [f"w{number}" for number in range(count)]
    texts = [" ".join(words), " ".join([*words[-1:] * 3, "other", words[0]]), "other", "", words[-1]]
    strings = from_arrow(pa.array(texts, pa.large_string()))
    table = stop_words({"xx": words, "yy": ["other"]})
    signals = gopher_quality_signals(*tables_of(strings), table, language_places(table, ["xx"] * 5))

    found = [[word for word in text.split() if word in words] for text in texts]
    assert signals["stop_word_count"].tolist() == [len(set(one)) for one in found]
    shares = [len(one) / max(1, len(text.split())) for one, text in zip(found, texts, strict=True)]
    assert signals["stop_word_share"].tolist() == pytest.approx(shares)


def test_places_of_languages():
    languages = ("en", "de", "pt")
    table = stop_words()._replace(languages=languages)
    assert language_places(table, ["de", "pt_BR", "PT-pt", "tlh", None, "", "und"]).tolist() == [1, 2, 2, -1, 0, 0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["two words"], "'two words' is 2 tokens"),
        ([""], "'' is 0 tokens"),
        (["a", "a"], "given twice"),
    ],
)
def test_words_that_could_not_be_counted_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        stop_words({"de": words})

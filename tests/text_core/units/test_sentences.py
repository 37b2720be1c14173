"""Sentences against spaCy's sentencizer, as datatrove splits with it."""

import pyarrow as pa
import pytest
import spacy

from sequitur.text_core.units.sentences import ABBREVIATIONS, abbreviation_hashes, sentence_counts
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.tokens import token_table


def count(*texts: str) -> list[int]:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    return sentence_counts(strings, token_table(strings)).tolist()


@pytest.fixture(scope="module")
def sentencizer():
    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    return language


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One sentence without an end", 1),
        ("One. Two! Three?", 3),
        ('He said "no." Then he left.', 2),
        ("(It is so.) [Is it?] Yes", 3),
        ("Really?! Yes.", 2),
        ("Wait... what.. is it?", 1),
        ("See e.g. this, i.e. that, at 5 p.m. today.", 1),
        ("Mr. Smith and Dr. Jones live in the U.S. of A. today.", 1),
        ("Version 1.2 costs 3.50 now. It was 4.", 2),
        ("foo.bar is one word. Foo.Bar is not.", 3),
        ("It ends.  A second space.", 2),
        ("It ends. - A dash.", 2),
        ("It ends. $5 then.", 2),
        ("Use `x`. `y` is next.", 2),
        ("A line.\nAnother line.", 2),
        ("A.\n)", 1),
        ("Ends (here.)\n\nNext", 2),
        ("NATO. USA. It is.", 3),
        ("...", 1),
    ],
)
def test_sentences_are_those_of_spacy(text, sentences, sentencizer):
    assert count(text) == [len(list(sentencizer(text).sents))] == [sentences]


def test_sentences_of_other_scripts():
    assert count("はい。いいえ。", "क्या? हाँ। नहीं।", "هل؟ نعم.", "", " \n") == [2, 3, 2, 0, 0]


def test_every_abbreviation_is_one_token_and_an_exception_of_spacy(sentencizer):
    assert len(abbreviation_hashes()) == len(ABBREVIATIONS) == len(set(ABBREVIATIONS))
    exceptions = {rule for rule in sentencizer.tokenizer.rules if rule.endswith(".") and rule[-2] not in "._"}
    missing = exceptions - {f"{word}." for word in ABBREVIATIONS}
    assert {f"{word}." for word in ABBREVIATIONS} <= exceptions
    # Capitals between full stops are one token anyway; after a degree sign spaCy, too, splits off the full stop.
    assert missing == {rule for rule in missing if rule[0] == "°" or rule.isupper()} | {"Ph.D."}

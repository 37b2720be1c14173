"""What is trained is, byte for byte, what the trainer of tokenizers makes of the same texts."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sequitur.stages.tokenize.hard_texts import PARTS
from sequitur.stages.tokenize.training import count_words, letters_of_bytes, train

UNLIKE = "(\U00010940(\U00010940 \U00010940a"


def by_library(texts: list[str], vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


# Few letters: ties, runs, and tokens that come of several pairs.
few_letters = st.lists(
    st.text("ab", max_size=40) | st.text("abc é", max_size=60) | st.text("a ", max_size=40), max_size=8
)
parts = st.lists(st.lists(st.sampled_from([*PARTS, UNLIKE]), max_size=40).map("".join), max_size=6)


@settings(max_examples=300, deadline=None)
@given(texts=few_letters | parts, vocabulary=st.sampled_from([1, 257, 258, 262, 280, 330, 1000]))
def test_it_is_the_tokenizer_of_the_library(texts: list[str], vocabulary: int) -> None:
    assert train(texts, vocabulary).to_str() == by_library(texts, vocabulary).to_str()


def test_of_a_corpus_too(corpus: dict[str, str] | object) -> None:
    texts = list(corpus.texts.values())  # type: ignore[attr-defined]
    assert train(texts, 3000).to_str() == by_library(texts, 3000).to_str()


def test_a_pair_learnt_twice_has_its_second_rank() -> None:
    """`aab` comes of a+ab and of aa+b, so that pairs with it come to be in two steps."""
    texts = ["aab aab aab ab ab ab ab aa aa aa aabc aabc aabc xaab xaab " * 3]
    assert train(texts, 300).to_str() == by_library(texts, 300).to_str()


def test_words_are_those_of_the_library_where_gigatoken_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the cat's\n\n 12 hats", UNLIKE, "", "the cat"]
    counts = count_words(texts)
    monkeypatch.setitem(sys.modules, "gigatoken.gigatoken_rs", None)
    assert count_words(texts) == counts
    assert counts[b"the"] == 2


def test_letters_are_the_alphabet_in_the_order_of_bytes() -> None:
    letters = [chr(letter) for letter in letters_of_bytes()]
    assert sorted(letters) == sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    ((spelled, _),) = plain.pre_tokenize_str("".join(map(chr, range(128))))
    assert spelled == "".join(letters[:128])
    assert letters[0xE9] == "é"

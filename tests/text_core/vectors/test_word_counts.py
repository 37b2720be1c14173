"""Words are counted as the trainer of the `tokenizers` library counts them."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from sequitur.text_core.vectors.model_words import WORD
from sequitur.text_core.vectors.word_counts import count_words, frequent_words, occurrences


def tokenizer() -> Tokenizer:
    found = Tokenizer(models.WordLevel(unk_token="[UNK]"))  # noqa: S106 - no password
    found.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    found.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    return found


def words_of(text: str) -> list[str]:
    library = tokenizer()
    return [word for word, _ in library.pre_tokenizer.pre_tokenize_str(library.normalizer.normalize_str(text))]


TEXTS = st.lists(
    st.lists(st.sampled_from(["b", "a", "AB", "é", "e\u0301", "中文", "½", " ", "-", "long" * 40])).map(" ".join),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 3), st.integers(1, 6))
def test_frequent_words_are_those_that_the_library_trains_on(texts, least, most):
    rows, names = frequent_words(count_words(pa.array(texts, pa.large_string())), least, most)
    library = tokenizer()
    trainer = trainers.WordLevelTrainer(vocab_size=most, min_frequency=least, special_tokens=[], show_progress=False)
    library.train_from_iterator(texts, trainer)
    vocabulary = library.get_vocab()
    assert names == sorted(vocabulary, key=vocabulary.__getitem__)
    assert len(rows) == len(names)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_counts_and_occurrences(texts):
    counted = count_words(pa.array(texts, pa.large_string()))
    every = counted.codes.tobytes().decode("utf-32-le")
    names = [every[start:end] for start, end in zip(counted.offsets, counted.offsets[1:], strict=False)]
    expected = Counter(word for text in texts for word in words_of(text))
    assert dict(zip(names, counted.counts.tolist(), strict=True)) == expected
    assert names == list(expected)
    if not names:
        return
    rows = np.arange(len(names))[::2]
    matrix = occurrences(counted, rows)
    assert matrix.has_sorted_indices
    assert matrix.toarray().tolist() == [[float(names[row] in words_of(text)) for row in rows] for text in texts]


def test_a_word_may_be_as_long_as_a_text():
    counted = count_words(pa.array(["x" * 100_000, "y", "x" * 100_000], pa.large_string()))
    assert counted.counts.tolist() == [2, 1]
    assert frequent_words(counted, 2, 9)[1] == ["x" * 100_000]

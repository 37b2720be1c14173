import numpy as np
import pyarrow as pa
import pytest

from sequitur.text_core.duplicates.minhash import signatures
from sequitur.text_core.units.shingles import jaccard, shingle_sets
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import WordTable, word_table

PERMUTATIONS = 128


def words_of(*texts: str) -> WordTable:
    return word_table(from_arrow(pa.array(texts, pa.large_string())))


def test_estimate_is_unbiased_with_binomial_variance():
    """400 pairs of random word sets: errors in units of √(J(1−J)/128) have mean 0 and deviation 1."""
    random = np.random.default_rng(7)
    texts = []
    for size, share in zip(random.integers(20, 400, 400), random.uniform(0.05, 0.95, 400), strict=True):
        common, rest = int(size * share), size - int(size * share)
        ids = random.choice(1_000_000, common + 2 * rest, replace=False).astype(str)
        texts += [" ".join(ids[: common + rest]), " ".join(np.r_[ids[:common], ids[common + rest :]])]
    words = words_of(*texts)
    pairs = np.arange(800, dtype=np.int64).reshape(400, 2)
    sets = shingle_sets(words, size=1)
    true = jaccard(sets, sets, pairs)
    estimates = (signatures(words, size=1)[0::2] == signatures(words, size=1)[1::2]).mean(axis=1)
    errors = (estimates - true) / np.sqrt(true * (1 - true) / PERMUTATIONS)
    assert abs(errors.mean()) < 3 / np.sqrt(400)
    assert 0.9 < errors.std() < 1.1


def test_signature_depends_on_the_set_of_shingles_alone():
    random = np.random.default_rng(1)
    vocabulary = [f"w{i}" for i in range(23)]
    for count in range(1, 12):  # every remainder of the kernel's groups of four
        words = vocabulary[:count]
        shuffled = list(random.permutation(words * 3))
        first, second = signatures(words_of(" ".join(words), " ".join(shuffled)), size=1)
        assert (first == second).all()


def test_places_are_uniform():
    table = words_of(*(f"document{i}" for i in range(2000)))
    values = signatures(table).astype(np.float64) / 2**32
    assert np.abs(values.mean(axis=0) - 0.5).max() < 5 * np.sqrt(1 / 12 / 2000)


def test_documents_without_words_and_shorter_than_a_shingle():
    result = signatures(words_of("", "one two", "one two", " … ", "two one"))
    assert (result[[0, 3]] == 0xFFFFFFFF).all()
    assert (result[1] == result[2]).all()
    assert (result[1] != result[4]).any()
    assert signatures(words_of()).shape == (0, PERMUTATIONS)


def test_seed_and_number_of_permutations():
    words = words_of("a b c d e f g")
    assert (signatures(words, seed=1) != signatures(words, seed=2)).any()
    assert (signatures(words, permutations=16) == signatures(words)[:, :16]).all()


@pytest.mark.parametrize("arguments", [{"size": 0}, {"permutations": 0}, {"seed": -1}, {"seed": 2**64}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must"):
        signatures(words_of("a"), **arguments)


def test_signature_is_pinned():
    """Signatures that users have stored must go on comparing."""
    words = words_of("the quick brown fox jumps over")
    assert signatures(words, permutations=4).tolist() == [[459230768, 3676950857, 1035220391, 1347417385]]

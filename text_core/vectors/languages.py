"""The languages of a corpus, as a sample of it has them: by them word vectors are fitted, and documents kept apart.

A document's language counts as one more word of it. With p(l) the share of language l, and r(l) a random direction,
the same for every corpus,

    x' = √(1 − s) x + √s r(l),  to unit length;  s = LANGUAGE_SHARE · (1 − p(l))

So where all texts are of one language nothing changes, and those of a rare one are nearer to each other than to texts
of others that hold the same names. Figures: docs/decisions/0015-versions.md.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.vectors.lexical_vectors import BUCKETS, lexical_vectors

LEAST_TEXTS = 10  # of a language, to fit anything on; fewer are as often texts whose language was mistaken
LANGUAGE_WORDS = 16  # whose rows of the random projection make the direction of a language: one alone has but 4 entries
LANGUAGE_SHARE = 0.6  # of a document's words, for a language that no other document has


def language_shares(codes: Sequence[str]) -> dict[str, float]:
    """The languages of n texts by code, the most frequent first, each with its share of them; {} where n is 0.

    Languages of fewer than LEAST_TEXTS texts count with the first.
    """
    found, counts = np.unique(np.array(codes, dtype=np.str_), return_counts=True)
    falling = np.argsort(-counts, kind="stable")
    kept = [at for rank, at in enumerate(falling) if not rank or counts[at] >= LEAST_TEXTS]
    texts = {str(found[at]): int(counts[at]) for at in kept}
    for first in list(texts)[:1]:
        texts[first] += len(codes) - sum(texts.values())
    return {code: count / len(codes) for code, count in texts.items()}


def language_numbers(codes: Sequence[str], shares: Mapping[str, float]) -> npt.NDArray[np.int64]:
    """int64 [n], the place of each text's language among the shares; 0, the first, for a language that has none."""
    places = {code: place for place, code in enumerate(shares)}
    return np.array([places.get(code, 0) for code in codes], dtype=np.int64)


def with_languages(
    vectors: npt.NDArray[np.float32], languages: npt.NDArray[np.int64], shares: Mapping[str, float]
) -> npt.NDArray[np.float32]:
    """float32 [n, dimensions], lexical vectors with the language as one more word; zero stays zero.

    Args:
        vectors: float32 [n, dimensions], those of the words, of unit length or zero.
        languages: int64 [n], as of `language_numbers`.
        shares: of the languages.
    """
    if not len(vectors):
        return vectors
    names = [" ".join(f"language{code}{number}" for number in range(LANGUAGE_WORDS)) for code in shares]
    weights = np.ones(BUCKETS, dtype=np.float32)
    rows = lexical_vectors(from_arrow(pa.array(names)), weights, vectors.shape[1])[languages]
    share = (LANGUAGE_SHARE * (1 - np.array(list(shares.values()))))[languages, None]
    mixed = vectors * np.sqrt(1 - share) + rows * np.sqrt(share) * vectors.any(axis=1, keepdims=True)
    length = np.linalg.norm(mixed, axis=1, keepdims=True)
    return (mixed / np.where(length > 0, length, 1)).astype(np.float32)

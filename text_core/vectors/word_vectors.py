"""Static word vectors fitted on the corpus itself: the embedder that needs no download.

The vector of a document is the mean of the rows of its words, scaled to unit length: what the modules
`StaticEmbedding` and `Normalize` of sentence-transformers compute, so that a fitted model is saved as an
ordinary sentence-transformers directory and loaded like any other.

    A[i, w] = idf(w) if w occurs in text i, else 0; then every row of A to unit length, times (n / n_l)^(BALANCE / 2)
    A ≈ U S Vᵀ, truncated
    row(w)  = idf(w) · V[w] / ‖V[w]‖
    idf(w)  = Σ_l df_l(w) log((n_l + 1) / df_l(w)) / Σ_l df_l(w)

where the text i is one of n_l in its language l, and df_l(w) of these hold w: idf among the texts of a language, in the
mean over the texts with w. Among all texts the function words of a rare language are rare, too; they took its texts
for one subject, in one direction. The balance gives such a language directions of its own for what its texts differ in
(figures: docs/decisions/0015-versions.md).

The first two lines are latent semantic analysis (Deerwester et al. 1990, JASIS 41(6)). Scaling each word's
vector to unit length is what keeps minorities: plain LSA gives a rare word only the small share of its length
that the leading directions explain, so that topics which are a small part of the corpus fall together.

A word that the sample did not hold is read as the known words it is made of, longest first (the WordPiece
rule of Schuster and Nakajima 2012). That regains about half of what is lost where the sample is half the corpus.
Figures: docs/decisions/0003-default-embedder.md.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from sequitur.text_core.vectors.decomposition import OVERSAMPLES, leading_directions
from sequitur.text_core.vectors.word_counts import count_words, frequent_words, occurrences
from sequitur.text_core.vectors.word_means import CONTINUES, UNKNOWN

SAMPLE_DOCUMENTS = 20_000  # enough to fit on
TEXT_CHARACTERS = 4_096  # of each text that the fit reads
MAX_WORDS = 60_000  # kept, most frequent first: 88 MiB of rows at 384 dimensions
BALANCE = 0.1  # 0 decomposes the texts as many as they are, 1 each language as if it had as many as any other
MAX_PIECES = 20_000  # the words among them that may also continue an unknown word
DIMENSIONS = 384

_MIN_PIECE_CHARACTERS = 4


class NoWordsError(ValueError):
    """The sample holds too few words to fit vectors on."""


class WordVectors(NamedTuple):
    """tokens[i] has the row vectors[i].

    A token is a word, a word that continues an unknown one (`##` before it), or a single character. Row 0,
    `[UNK]`, and the single characters that are no words are zero.
    """

    tokens: list[str]
    vectors: npt.NDArray[np.float32]  # [v, d]


def fit_word_vectors(
    texts: Sequence[str],
    dimensions: int = DIMENSIONS,
    seed: int = 0,
    languages: npt.NDArray[np.integer] | None = None,
) -> WordVectors:
    """Word vectors float32 [v, d] from a sample of the corpus, d ≤ `dimensions`.

    `texts` should be a seeded sample of at most SAMPLE_DOCUMENTS documents, `languages` [n] are theirs, numbered as by
    `language_numbers`; None: they are of one. The words are those that occur
    twice or more; a document that holds no part of them has the zero vector. d is less than `dimensions` when
    the rank of the sample is, as with fewer texts or words. Linear algebra runs on one thread, so that the
    number of cores does not change the result. Cost: about 4 s of one core for 20,000 texts of 1,100 characters.
    Raises NoWordsError when no word occurs twice.
    """
    counted = count_words(pa.array([text[:TEXT_CHARACTERS] for text in texts], pa.large_string()))
    rows, words = frequent_words(counted, 2, MAX_WORDS - 1)
    if not words:
        raise NoWordsError(f"no word occurs twice in the sample of {len(texts)} texts: give more text")
    if languages is None:
        languages = np.zeros(len(texts), dtype=np.int64)
    matrix = occurrences(counted, rows)
    del counted
    idf = _idf_within(matrix, languages)
    matrix.data = idf[matrix.indices]
    text_of = np.repeat(np.arange(len(texts)), np.diff(matrix.indptr))
    lengths = np.sqrt(np.bincount(text_of, matrix.data.astype(np.float64) ** 2, minlength=len(texts)))
    matrix.data *= (_balance(languages) / np.maximum(lengths, np.finfo(np.float32).tiny))[text_of].astype(np.float32)
    directions = leading_directions(matrix, dimensions, seed)
    directions *= (idf / np.maximum(np.linalg.norm(directions, axis=1), np.finfo(np.float32).tiny))[:, None]
    return _with_pieces(words, directions)


def fit_memory_bytes(documents: int, characters: int, dimensions: int = DIMENSIONS) -> int:
    """Upper estimate of what `fit_word_vectors` allocates at its peak, for a sample of that size.

    The text as it is read, an occurrence every six characters, 44 bytes each (the words and their table, the matrix
    and its transposed copy), and three dense matrices with a row per word or document during the decomposition.
    """
    characters = min(characters, documents * TEXT_CHARACTERS)
    words = min(MAX_WORDS, characters // 6)
    return 3 * characters + 44 * characters // 6 + 3 * 4 * (words + documents) * (dimensions + OVERSAMPLES)


def _idf_within(matrix: csr_array, languages: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """float32 [words], from the occurrences [n, words] in texts of some languages [n]; 0 for words that none holds."""
    texts = np.bincount(languages)
    ones = np.ones(len(languages), dtype=np.float32)
    of_language = csr_array((ones, (languages, np.arange(len(languages)))), shape=(len(texts), len(languages)))
    held = csr_array(of_language @ matrix)  # how many texts of a language hold a word
    language = np.repeat(np.arange(len(texts)), np.diff(held.indptr))
    told = held.data * np.log((texts[language] + 1) / held.data)
    sums, counts = (np.bincount(held.indices, each, minlength=matrix.shape[1]) for each in (told, held.data))
    idf: npt.NDArray[np.float32] = (sums / np.maximum(counts, 1)).astype(np.float32)
    return idf


def _balance(languages: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """float32 [n], the weight of each text in the decomposition."""
    texts = np.bincount(languages)[languages]
    weights: npt.NDArray[np.float32] = ((len(languages) / texts) ** (BALANCE / 2)).astype(np.float32)
    return weights


def _with_pieces(words: list[str], vectors: npt.NDArray[np.float32]) -> WordVectors:
    """Add the rows by which unknown words are read: known words as continuations, and zero for what is left."""
    pieces = [row for row in range(len(words)) if len(words[row]) >= _MIN_PIECE_CHARACTERS][:MAX_PIECES]
    characters = sorted(set("".join(words)))
    known = set(words)
    rest = [character for character in characters if character not in known]
    rest += [CONTINUES + character for character in characters]
    tokens = [UNKNOWN, *words, *(CONTINUES + words[row] for row in pieces), *rest]
    rows = np.zeros((len(tokens), vectors.shape[1]), dtype=np.float32)
    rows[1 : 1 + len(words)] = vectors
    rows[1 + len(words) : 1 + len(words) + len(pieces)] = vectors[pieces]
    return WordVectors(tokens, rows)

"""Static word vectors fitted on the corpus itself: the embedder that needs no download.

The vector of a document is the mean of the rows of its words, scaled to unit length: what the modules
`StaticEmbedding` and `Normalize` of sentence-transformers compute, so that a fitted model is saved as an
ordinary sentence-transformers directory and loaded like any other.

    A[i, w] = idf(w) if w occurs in document i else 0, rows scaled to unit length     sample × words
    A ≈ U S Vᵀ                                                                        truncated SVD
    row(w)  = idf(w) · V[w] / ‖V[w]‖,   idf(w) = log((n + 1) / documents with w)

The first two lines are latent semantic analysis (Deerwester et al. 1990, JASIS 41(6)). Scaling each word's
vector to unit length is what keeps minorities: plain LSA gives a rare word the small share of its length that
the leading directions explain, so that topics which are a small part of the corpus collapse onto each other.
The singular values are left out of the word vectors, since they grow with the number of documents of a topic.
Figures: docs/decisions/0003-default-embedder.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Documents enough to fit on. Agreement with the sections of the corpus falls by 4 % when 5,000 are seen of
# 10,000, and is flat in the size of the corpus when that many are seen.
SAMPLE_DOCUMENTS = 20_000
# Characters of each text that the fit reads.
TEXT_CHARACTERS = 4_096
# The words kept, most frequent first: 92 MiB of rows at 384 dimensions.
MAX_WORDS = 60_000
DIMENSIONS = 384

_UNKNOWN = "[UNK]"
# Scripts written without spaces: one word per character there, runs of word characters elsewhere.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]|[\w&&[^{_UNSPACED}]]+"
_BATCH_TEXTS = 256
# The usual oversampling and power iterations (Halko, Martinsson, Tropp 2011, SIAM Review 53(2), §1.3, §4.5).
_OVERSAMPLES = 10
_POWER_ITERATIONS = 2


class NoWordsError(ValueError):
    """The sample holds too few words to fit vectors on."""


class WordVectors(NamedTuple):
    """words[i] has the row vectors[i]; row 0 belongs to unknown words and is zero."""

    words: list[str]
    vectors: npt.NDArray[np.float32]  # [v, d]


def fit_word_vectors(texts: Sequence[str], dimensions: int = DIMENSIONS, seed: int = 0) -> WordVectors:
    """Word vectors float32 [v, d] from a sample of the corpus, v ≤ MAX_WORDS, d ≤ `dimensions`.

    `texts` should be a seeded sample of at most SAMPLE_DOCUMENTS; its order matters only to rounding. The
    vocabulary is the words that occur twice or more; a document that holds none of them gets the zero vector. d is
    less than `dimensions` when the sample has fewer texts or words than that. Linear algebra runs on one
    thread, so that the number of cores does not change the result. Raises NoWordsError when no word occurs twice.
    """
    tokenizer = _trained(texts)
    vocabulary = tokenizer.get_vocab()
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    if len(words) == 1:
        raise NoWordsError(f"no word occurs twice in the sample of {len(texts)} texts: give more text")
    matrix = _occurrences(tokenizer, texts, len(words))
    texts_with_word = np.bincount(matrix.indices, minlength=len(words))
    idf = np.log((len(texts) + 1) / np.maximum(texts_with_word, 1)).astype(np.float32)
    matrix.data = idf[matrix.indices]
    matrix = normalize(matrix, copy=False)
    with threadpool_limits(1):
        _, _, directions = randomized_svd(
            matrix,
            n_components=min(dimensions, *matrix.shape),
            n_oversamples=_OVERSAMPLES,
            n_iter=_POWER_ITERATIONS,
            random_state=seed,
        )
    vectors = normalize(directions.T, copy=False)
    vectors *= idf[:, None]
    return WordVectors(words, np.ascontiguousarray(vectors))


def save_sentence_transformer(word_vectors: WordVectors, directory: str | Path) -> None:
    """Save as a sentence-transformers model: `SentenceTransformer(directory, device="cpu")` loads it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, StaticEmbedding

    embedding = StaticEmbedding(_tokenizer(word_vectors.words), embedding_weights=word_vectors.vectors)
    model = SentenceTransformer(modules=[embedding, Normalize()], device="cpu")
    model.save(str(directory), create_model_card=False)


def fit_memory_bytes(documents: int, characters: int, dimensions: int = DIMENSIONS) -> int:
    """Upper estimate of what `fit_word_vectors` allocates at its peak, for a sample of that size.

    One occurrence per six characters at most, 16 bytes each (the matrix and its scaled copy); five dense
    matrices of rank columns and one row per word or document during the SVD.
    """
    characters = min(characters, documents * TEXT_CHARACTERS)
    words = min(MAX_WORDS, characters // 6)
    return 16 * characters // 6 + 5 * 4 * (words + documents) * (dimensions + _OVERSAMPLES)


def _tokenizer(words: Sequence[str]) -> "Tokenizer":
    """Word level, NFKC and lower case; identifiers stay whole. words[0] stands for every unknown word."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: row for row, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    return tokenizer


def _trained(texts: Sequence[str]) -> "Tokenizer":
    """The tokenizer whose vocabulary is the words that occur twice or more, by falling count, then by name."""
    from tokenizers.trainers import WordLevelTrainer

    tokenizer = _tokenizer([_UNKNOWN])
    trainer = WordLevelTrainer(
        vocab_size=MAX_WORDS, min_frequency=2, special_tokens=[_UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator((text[:TEXT_CHARACTERS] for text in texts), trainer)
    return tokenizer


def _occurrences(tokenizer: "Tokenizer", texts: Sequence[str], words: int) -> csr_array:
    """float32 [n, words]: 1 where a known word occurs in a text."""
    rows: list[npt.NDArray[np.int32]] = []
    for start in range(0, len(texts), _BATCH_TEXTS):
        batch = [text[:TEXT_CHARACTERS] for text in texts[start : start + _BATCH_TEXTS]]
        encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        rows += [np.unique(np.array([0, *encoding.ids], dtype=np.int32))[1:] for encoding in encodings]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate(rows)
    return csr_array((np.ones(len(indices), dtype=np.float32), indices, offsets), shape=(len(rows), words))

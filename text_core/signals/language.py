"""The language of every document, by py3langid's model: naive Bayes over byte n-grams (Lui and Baldwin 2011, 2012).

The model's features are 100,000 n-grams of 2 to 6 bytes. An automaton finds them in one pass, at each byte the longest
that ends there. With c(f) the times that feature f is found,

    score(class) = log P(class) + Σ_f log(1 + c(f)) · log P(f | class)

and the probability is the softmax of score / √bytes, which py3langid found to be calibrated over lengths. The arrays
are the package's; they are read here over Arrow buffers, where the package takes a Python string at a time. Which
library, and why: docs/decisions/0007-language-identification.md.
"""

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from sequitur.text_core.signals.malay import malay_votes
from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.strings import Strings, from_arrow

UNDETERMINED = "und"  # ISO 639-2
# Of the start of a document. Of 15,586 documents all but one are told the same as from their whole text.
MAX_CHARACTERS = 2048
_NOT_A_LANGUAGE = "zxx"  # ISO 639-2: numbers, markup, identifiers
# Members of the macrolanguages (ISO 639-3) ar, no and zh: in writing, short texts hardly differ.
_MEMBER_OF = {"ary": "ar", "arz": "ar", "nn": "no", "wuu": "zh", "yue": "zh"}
# Below it a guess is none. Of 5,700 short pages in 38 languages one true answer in 5,000 is lost, of 9,886 English
# documents one in 650; of pieces of Python of 5 lines, whose language is English if any, 17 % had others, now 2 %.
LEAST_SCORE = np.float32(0.3)
_SCORE_DECIMALS = 4  # more would show how a machine's exp rounds


class LanguageModel(NamedTuple):
    """s automaton states, r distinct rows of transitions, f features, c classes; a language has one or more classes."""

    codes: tuple[str, ...]  # of the languages; the last one is UNDETERMINED
    class_code: npt.NDArray[np.int16]  # [c], index into codes
    prior: npt.NDArray[np.float32]  # [c], log P(class)
    weight: npt.NDArray[np.float32]  # [f, c], log P(feature | class)
    row: npt.NDArray[np.uint16]  # [s], the row of a state's transitions
    next_state: npt.NDArray[np.uint32]  # [r * 256], by row and byte
    feature: npt.NDArray[np.int32]  # [s], found on entering a state; -1: none


@functools.cache
def language_model() -> LanguageModel:
    """The model that comes with py3langid; 100 MB, and a second, on the first call of a process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    classes = [_MEMBER_OF.get(name, name) for name in model.nb_classes]
    codes = (*sorted(set(classes) - {_NOT_A_LANGUAGE}), _NOT_A_LANGUAGE)
    return LanguageModel(
        (*codes[:-1], UNDETERMINED),
        read_only([codes.index(name) for name in classes], np.int16),
        read_only(model.nb_pc, np.float32),
        read_only(model.nb_ptc, np.float32),
        read_only(model.tk_row, np.uint16),
        read_only(model.tk_nextmove, np.uint32),
        read_only(model.tk_output, np.int32),
    )


def languages(text: pa.LargeStringArray | pa.StringArray) -> tuple[pa.DictionaryArray, npt.NDArray[np.float32]]:
    """The language of n texts (dictionary<int16, string> [n]), and its probability (float32 [n], 0 to 1).

    Languages are ISO 639-1 codes, or 639-3 codes where there are none; of ar, no and zh all kinds are one. "und" with
    score 0: there is nothing to tell a language by (an empty text, digits), it is none (markup, identifiers), or the
    likeliest is less certain than LEAST_SCORE (code).
    Between Malay and Indonesian words decide (`malay.py`); the score is then that of the likelier by n-grams.

    The first MAX_CHARACTERS decide, in NFC; a text in capitals is read in lower case. Scores have four decimals. The
    dictionary holds all languages, in the same order in every batch.

    Cost: some 30 µs a document on one core.
    """
    model = language_model()
    trained = _as_trained(text)
    found, scores = _classify(from_arrow(trained), *model[1:])
    malay, indonesian = model.codes.index("ms"), model.codes.index("id")
    if len(rows := np.flatnonzero((found == malay) | (found == indonesian))):
        votes = malay_votes(from_arrow(trained.take(pa.array(rows))))
        found[rows[votes > 0]], found[rows[votes < 0]] = malay, indonesian
    found[scores < LEAST_SCORE], scores[scores < LEAST_SCORE] = len(model.codes) - 1, 0
    codes = pa.DictionaryArray.from_arrays(pa.array(found), pa.array(model.codes))
    return codes, np.round(scores, _SCORE_DECIMALS)


def _as_trained(text: pa.LargeStringArray | pa.StringArray) -> pa.LargeStringArray:
    starts = pc.utf8_slice_codeunits(pc.fill_null(text, ""), 0, MAX_CHARACTERS)
    # Not pyarrow's utf8_normalize: its NFC does not compose (seen in 23.0).
    normal = (unicodedata.normalize("NFC", start) for start in starts.to_pylist())
    return pa.array((start.lower() if start.isupper() else start for start in normal), pa.large_string())


@njit(cache=True, nogil=True)
def _classify(
    strings: Strings,
    class_code: npt.NDArray[np.int16],
    prior: npt.NDArray[np.float32],
    weight: npt.NDArray[np.float32],
    row: npt.NDArray[np.uint16],
    next_state: npt.NDArray[np.uint32],
    feature: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Index into the codes, int16 [n], and probability, float32 [n]. Features are added in the order of the text."""
    offsets, data = strings
    documents, undetermined = len(offsets) - 1, class_code.max()
    found = np.full(documents, undetermined, dtype=np.int16)
    probabilities = np.zeros(documents, dtype=np.float32)
    longest = 0
    for document in range(documents):
        longest = max(longest, offsets[document + 1] - offsets[document])
    log1p = np.log1p(np.arange(longest + 1)).astype(np.float32)
    counts = np.zeros(len(weight), dtype=np.int32)
    seen = np.empty(len(weight), dtype=np.int64)
    score = np.empty(len(prior), dtype=np.float32)
    probability = np.empty(undetermined + 1, dtype=np.float64)
    for document in range(documents):
        state, features = np.uint32(0), 0
        for position in range(offsets[document], offsets[document + 1]):
            state = next_state[np.int64(row[state]) << 8 | data[position]]
            number = feature[state]
            if number >= 0:
                if counts[number] == 0:
                    seen[features] = number
                    features += 1
                counts[number] += 1
        if features == 0:
            continue
        score[:] = prior
        for number in seen[:features]:
            times, weights = log1p[counts[number]], weight[number]
            counts[number] = 0
            for j in range(len(score)):
                score[j] += times * weights[j]
        scale, highest = 1 / np.sqrt(offsets[document + 1] - offsets[document]), score.max()
        probability[:] = 0
        for j in range(len(score)):
            probability[class_code[j]] += np.exp((score[j] - highest) * scale)
        likeliest = probability.argmax()
        if likeliest != undetermined:
            found[document] = likeliest
            probabilities[document] = probability[likeliest] / probability.sum()
    return found, probabilities

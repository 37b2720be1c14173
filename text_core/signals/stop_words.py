"""The function words by which the Gopher stop-word rule knows running text, for each language.

`stop_words.json` maps a language (ISO 639) to its words. English has the eight of Rae et al. 2021 (arXiv 2112.11446,
A1.1). The other languages have the most frequent words of `wordfreq` 3.1.1 (`top_n_list`; Speer 2022, doi
10.5281/zenodo.7199437; data under CC BY-SA 4.0), as many as make up a fifth of running text, for what is a word of its
own in English is an ending elsewhere: at least eight, 13 in German, 33 in Finnish, at most 64. With these changes:
letters that stand alone by elision (l', d') are left out; Chinese, Japanese and Korean have words of one character, as
their tokens are; Greek has its final sigma; Bosnian, Croatian and Serbian share the words of Serbo-Croatian, Serbian in
both alphabets; Norwegian stands under nb and no. Thai, Lao, Khmer and Burmese, whose tokens are single letters, have
none.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.signals.language import UNDETERMINED
from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.tokens import token_table

WORDS_PATH = Path(__file__).with_name("stop_words.json")


class StopWords(NamedTuple):
    """The stop words of l languages, as token hashes; language i has `hash[offsets[i]:offsets[i + 1]]`, ascending."""

    languages: tuple[str, ...]
    hash: npt.NDArray[np.uint64]
    offsets: npt.NDArray[np.int64]  # [l + 1]


def stop_words(own: Mapping[str, Sequence[str]] | None = None) -> StopWords:
    """The shipped stop words, English first, those of a language in `own` replaced or added.

    Raises ValueError for a word that is not one token of `tokens.py`, and for one given twice. A document matches them
    in exactly this case.
    """
    lists = {**built_in_stop_words(), **(own or {})}
    offsets = offsets_of([len(words) for words in lists.values()])
    words = [word for language_words in lists.values() for word in language_words]
    tokens = token_table(from_arrow(composed(pa.array(words, pa.large_string()))))
    for language, language_words in lists.items():
        if len(set(language_words)) < len(language_words):
            raise ValueError(f"stop words of {language}: one is given twice")
    for word, count in zip(words, np.diff(tokens.document_offsets), strict=True):
        if count != 1:
            raise ValueError(f"stop word {word!r} is {count} tokens, and so would never be found")
    hashes = np.concatenate([np.sort(tokens.hash[start:end]) for start, end in pairwise(offsets)])
    return StopWords(tuple(lists), read_only(hashes, np.uint64), read_only(offsets, np.int64))


@functools.cache
def built_in_stop_words() -> Mapping[str, tuple[str, ...]]:
    """The shipped lists by language, English first."""
    lists = json.loads(WORDS_PATH.read_text(encoding="utf-8"))
    return {language: tuple(words) for language, words in lists.items()}


def language_places(stop_words: StopWords, languages: Iterable[str | None]) -> npt.NDArray[np.int64]:
    """The place of each of n languages in `stop_words.languages`, -1 for one without a list: int64[n].

    Of a tag such as pt-BR or zh_TW the first part counts. What is in no language that can be told (None, "", "und") has
    English's list, place 0.
    """
    places = {"": 0, UNDETERMINED: 0} | {language: place for place, language in enumerate(stop_words.languages)}
    return np.array(
        [places.get((language or "").replace("_", "-").partition("-")[0].lower(), -1) for language in languages],
        dtype=np.int64,
    )

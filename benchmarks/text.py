"""Signals, rules and signatures beside datatrove and rensa, on the same documents, one core, in the same run.

    python -m benchmarks.text --corpus FILE [--megabytes 8]

Of the corpus (JSONL with `text`, .zst or .gz or plain) every k-th document is taken, so that they are about
`--megabytes`. Ours is what `annotate` and `select` compute from an Arrow column; datatrove's filters are called
document by document, as its pipeline does. Both run once on a few documents first, so that neither compiles nor loads
while it is timed, and the process is held on one core.

Prints one JSON object last:

    signals_vs_datatrove          words, all signals and the rules of four presets, against the four filters, each on
                                  every document
    signals_vs_datatrove_chained  the same where a document goes on to datatrove's next filter only if it passes
    signatures_vs_datatrove       128 permutations of 5-word shingles
    signatures_vs_rensa
    verdict_agreement_FILTER      share of documents with the verdict of datatrove as installed
    same_words_FILTER             the same where datatrove is given our words and sentences
    …_mb_per_s
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_parts
from rensa import RMinHash

from sequitur.text_core.duplicates import minhash
from sequitur.text_core.signals.all_signals import all_signals
from sequitur.text_core.signals.rules import PRESETS, first_failed
from sequitur.text_core.units.sentences import sentence_counts
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.tokens import token_table
from sequitur.text_core.units.words import word_table

FILTERS = {
    "gopher_repetition": GopherRepetitionFilter,
    "gopher_quality": GopherQualityFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}
PERMUTATIONS, SHINGLE_WORDS = 128, 5


def read_texts(path: str, megabytes: float) -> list[str]:
    """Every k-th text of a corpus, so that they are about so many megabytes."""
    from sequitur.pipeline.config import Ingest
    from sequitur.stages.shared.sources.compression import Limits, reading
    from sequitur.stages.shared.sources.record_files import jsonl_records

    settings = Ingest(inputs=[path])
    limits = Limits.of(settings)
    with reading(path, limits) as file:
        texts = [record["text"] for _, record in jsonl_records(file, limits, path) if isinstance(record, dict)]
    step = max(1, round(sum(len(text) for text in texts) / (megabytes * 1e6)))
    return texts[::step]


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """The least processor time that some work takes, which other processes of the machine disturb little."""
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def our_verdicts(column: pa.LargeStringArray) -> dict[str, np.ndarray]:
    """Whether each document passes, by preset: bool[n]."""
    strings = from_arrow(column)
    signals = all_signals(strings, word_table(strings))
    return {name: first_failed(PRESETS[name], signals) == -1 for name in FILTERS}


def their_verdicts(texts: Sequence[str], *, chained: bool = False) -> dict[str, np.ndarray]:
    """The same of datatrove; `chained` stops at the first filter that a document fails."""
    filters = {name: make() for name, make in FILTERS.items()}
    passed = {name: np.zeros(len(texts), dtype=bool) for name in filters}
    for row, text in enumerate(texts):
        for name, one in filters.items():
            passed[name][row] = _passes(one, text)
            if chained and not passed[name][row]:
                break
    return passed


def _passes(one: Any, text: str) -> bool:
    try:
        return one.filter(Document(text=text, id="0")) is True
    except ZeroDivisionError:  # datatrove's ratios over no words; its pipeline ends there
        return False


def same_words_verdicts(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """datatrove's verdicts, given our words and sentences."""
    module = "datatrove.pipeline.filters"
    split_into_parts.cache_clear()
    with (
        patch(f"{module}.gopher_quality_filter.split_into_words", our_words),
        patch(f"{module}.gopher_repetition_filter.split_into_words", our_words),
        patch(f"{module}.fineweb_quality_filter.split_into_words", our_words),
        patch(f"{module}.c4_filters.split_into_sentences", our_sentences),
    ):
        return their_verdicts(texts)


def our_words(text: str, language: str = "") -> list[str]:
    strings = from_arrow(pa.array([text], pa.large_string()))
    table, data = token_table(strings), text.encode()
    return [data[start:end].decode() for start, end in zip(table.start.tolist(), table.end.tolist(), strict=True)]


def our_sentences(text: str, language: str = "") -> list[str]:
    """As many sentences as we count; datatrove's filter counts them, too."""
    strings = from_arrow(pa.array([text], pa.large_string()))
    return [""] * int(sentence_counts(strings, token_table(strings))[0])


def datatrove_signatures(texts: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        config = MinhashConfig(n_grams=SHINGLE_WORDS, num_buckets=16, hashes_per_bucket=PERMUTATIONS // 16)
        step = MinhashDedupSignature(scratch, config)
        for text in texts:
            shingles = step.get_shingles(text)
            if shingles.size:
                step.get_signature(shingles)


def rensa_signatures(texts: Sequence[str]) -> None:
    sets = []
    for text in texts:
        words = text.lower().split()
        sets.append([" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))])
    RMinHash.digest_matrix_from_token_sets(sets, num_perm=PERMUTATIONS, seed=1)


def our_signatures(column: pa.LargeStringArray) -> None:
    minhash.signatures(word_table(from_arrow(column)), SHINGLE_WORDS, PERMUTATIONS, 1)


def measure(texts: list[str]) -> dict[str, float | int]:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    column = pa.array(texts, pa.large_string())
    size = sum(len(text.encode()) for text in texts) / 1e6
    few = texts[:20]
    our_verdicts(column.slice(0, 20)), our_signatures(column.slice(0, 20))
    their_verdicts(few), datatrove_signatures(few), rensa_signatures(few)

    ours = seconds(lambda: our_verdicts(column), 3)
    split_into_parts.cache_clear()
    theirs = seconds(lambda: their_verdicts(texts))
    split_into_parts.cache_clear()
    chained = seconds(lambda: their_verdicts(texts, chained=True))
    signatures = seconds(lambda: our_signatures(column), 3)
    split_into_parts.cache_clear()
    figures: dict[str, float | int] = {
        "documents": len(texts),
        "megabytes": round(size, 2),
        "signals_vs_datatrove": round(theirs / ours, 1),
        "signals_vs_datatrove_chained": round(chained / ours, 1),
        "signatures_vs_datatrove": round(seconds(lambda: datatrove_signatures(texts)) / signatures, 1),
        "signatures_vs_rensa": round(seconds(lambda: rensa_signatures(texts), 3) / signatures, 2),
        "signals_mb_per_s": round(size / ours, 1),
        "signatures_mb_per_s": round(size / signatures, 1),
        "datatrove_filters_mb_per_s": round(size / theirs, 3),
    }
    verdicts = our_verdicts(column)
    for prefix, other in (("verdict_agreement", their_verdicts(texts)), ("same_words", same_words_verdicts(texts))):
        for name in FILTERS:
            figures[f"{prefix}_{name}"] = round(float((verdicts[name] == other[name]).mean()), 5)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="JSONL file with a field `text`")
    parser.add_argument("--megabytes", type=float, default=8, help="how much of the corpus to take")
    known = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    from sequitur.pipeline.errors import SequiturError

    try:
        texts = read_texts(known.corpus, known.megabytes)
    except SequiturError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(measure(texts)))


if __name__ == "__main__":
    main()

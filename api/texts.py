"""The cores that read text, without a run: signals, verdicts of rules, near-duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.api.log_lines import unasked_log_lines_hidden
from sequitur.pipeline import config as configuration
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import EXACT, FUZZY
from sequitur.pipeline.sections import Annotate, Ingest, Select
from sequitur.stages.shared.judge import judge_of
from sequitur.text_core.duplicates import components, lsh, minhash
from sequitur.text_core.duplicates.content_hash import content_hashes
from sequitur.text_core.duplicates.survivors import groups_of_equals, preferred
from sequitur.text_core.units.shingles import jaccard, shingle_sets
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import WordTable, word_table

Text: TypeAlias = "Sequence[str | None] | pa.Array | pa.ChunkedArray"
BLOCK_BYTES = int(Ingest.model_fields["part_bytes"].default)  # of text, whose signals are computed at a time
JACCARD = float(Select.model_fields["jaccard"].default)
SHINGLE_WORDS = int(Annotate.model_fields["shingle_words"].default)
PERMUTATIONS = int(Annotate.model_fields["permutations"].default)


def signals(text: Text, *, device: str = "auto", **settings: Any) -> pa.Table:
    """All signals of some texts, a row each: the columns of the artifact `signals`.

    >>> fox = "The quick brown fox jumps over the lazy dog, and then it sleeps all day. " * 4
    >>> text = [fox, fox + "So it goes.", "Whatever else is said is said in other words, and only once.", ""]
    >>> signals = sequitur.signals(text)
    >>> signals.select(["word_count", "language"]).to_pydict()
    {'word_count': [60, 63, 12, 0], 'language': ['en', 'en', 'en', 'und']}

    Args:
        text: strings, or an Arrow column of them; null counts as empty.
        device: for `models`, as `embed.device`.
        settings: those of the section `annotate` of a configuration, as in `permutations=64`.

    Cost: about 10 MB of text a second on one core; beside the table about 200 MB of memory. The first call loads Beam.

    Raises:
        ConfigError: a setting is wrong.
        TypeError: the column is not of strings.
    """
    config = _config("annotate", settings)
    with unasked_log_lines_hidden():
        from sequitur.stages.annotate.declaration import parameters
        from sequitur.stages.annotate.stage import ComputeSignals

        families = parameters(config).get("families")  # and what is wrong with the settings has one line
        compute = ComputeSignals(config.annotate, device, *([] if families is None else [families]))
        compute.setup()
        blocks = (pa.record_batch({"text": block}) for block in _blocks(_column(text)))
        found = [batch for block in blocks for _, batch in compute.process(("text", block))]
    return pa.Table.from_batches(found).unify_dictionaries()


def verdicts(
    signals: pa.Table, rules: str | Sequence[str] | None = None, *, url: Text | None = None, **settings: Any
) -> pa.Array:
    """The rule that each text fails first, by its signals; null where it passes all: strings [n].

    >>> sequitur.verdicts(signals, "gopher_quality").to_pylist()
    [None, None, 'gopher_too_few_words', 'empty']

    Args:
        signals: as `signals` gives them, or the artifact of a run; the columns that the rules look at will do.
        rules: presets, `gopher_lenient`, `gopher_short`, `gopher_quality`, `gopher_repetition`, `c4`, `fineweb`, or
            `none`; as in `select.rules` if not given.
        url: of each text, where URLs are blocked.
        settings: others of the section `select`: `thresholds`, `limits`, `language`, `urls`.

    Raises:
        ConfigError: a setting is wrong, or a column is missing.
    """
    chosen = {} if rules is None else {"rules": rules if isinstance(rules, str) else list(rules)}
    judge = judge_of(_config("select", {**chosen, **settings}).select)
    for name in judge.columns:
        if name not in signals.schema.names:
            raise ConfigError(f"select: a rule goes by the signal {name}, which is not among the columns; add it")
    if judge.blocklist is not None and url is None:
        raise ConfigError("select.urls: blocks URLs, and none are given; give url=")
    columns = {name: _array(signals.column(name)) for name in judge.columns}
    blocked = _array(pa.nulls(signals.num_rows, pa.string()) if url is None else _column(url).cast(pa.string()))
    reason = judge.verdicts(pa.record_batch(columns), blocked)
    return pa.array(judge.reasons, pa.string()).take(pa.array(reason, mask=reason < 0))


def similar_pairs(
    text: Text,
    threshold: float = JACCARD,
    *,
    shingle_words: int = SHINGLE_WORDS,
    permutations: int = PERMUTATIONS,
) -> pa.Table:
    """The pairs of texts whose sets of shingles have a Jaccard similarity of `threshold` or more.

    Pairs are proposed by LSH over MinHash signatures, which finds 99 of 100 at the threshold and more above it, and
    verified by the sets themselves. A text without words is in no pair.

    >>> sequitur.similar_pairs(text, 0.8).to_pydict()
    {'a': [0], 'b': [1], 'similarity': [0.8333333333333334]}

    Args:
        text: strings, or an Arrow column of them; null counts as empty.
        threshold: in (0, 1].
        shingle_words: words in a shingle.
        permutations: length of a signature.

    Returns:
        `a` and `b`, rows of the texts, a < b, ascending; `similarity`.

    Memory: about ten times the text, and 4 bytes a permutation of each.

    Raises:
        ValueError: the threshold is too low for so few permutations.
        TypeError: the column is not of strings.
    """
    words = word_table(from_arrow(composed(_column(text))))
    pairs, similarity = _similar(words, np.diff(words.document_offsets) > 0, threshold, shingle_words, permutations)
    return pa.table({"a": pairs[:, 0].copy(), "b": pairs[:, 1].copy(), "similarity": similarity})


def near_duplicates(
    text: Text,
    threshold: float = JACCARD,
    *,
    shingle_words: int = SHINGLE_WORDS,
    permutations: int = PERMUTATIONS,
    preference: np.ndarray | None = None,
) -> pa.Table:
    """Which texts duplicate which: what `select` drops, a row for each text.

    Of equal texts (in any case and white space) one stays, then of each group that `similar_pairs` connect.

    >>> sequitur.near_duplicates(text).select(["reason", "duplicate_of"]).to_pydict()
    {'reason': ['fuzzy_duplicate', None, None, None], 'duplicate_of': [1, None, None, None]}

    Args:
        text: strings, or an Arrow column of them; null counts as empty.
        threshold: as for `similar_pairs`.
        shingle_words: likewise.
        permutations: likewise.
        preference: int64 [n], all different; of a group the text with the lowest stays. If not given the longest in
            bytes does, and of several the first.

    Returns:
        `reason`, `exact_duplicate` or `fuzzy_duplicate`; `duplicate_of`, the row of the text that stays; `evidence`,
        the row with which it was compared, and their `similarity`. All null for texts that stay.

    Raises:
        ValueError: the threshold is too low for so few permutations.
        TypeError: the column is not of strings.
    """
    column = _column(text)
    strings = from_arrow(composed(column))
    words = word_table(strings)
    rows = np.arange(len(column), dtype=np.int64)
    if preference is None:
        preference = np.lexsort((rows, -np.diff(strings.offsets))).argsort(kind="stable")
    of, evidence = np.full((2, len(rows)), -1, dtype=np.int64)
    similarity = np.full(len(rows), np.nan, dtype=np.float32)
    everyone = np.ones(len(rows), dtype=bool)
    others, survivors = groups_of_equals(content_hashes(strings).view("V16")[:, 0], everyone, preference)
    of[others] = evidence[others] = survivors
    similarity[others] = 1
    is_exact = of >= 0
    alive = ~is_exact & (np.diff(words.document_offsets) > 0)
    pairs, jaccards = _similar(words, alive, threshold, shingle_words, permutations)
    nodes, edges = np.unique(pairs, return_inverse=True)
    edges = edges.reshape(-1, 2).astype(np.int64)
    survivor = preferred(components.connected_components(edges, len(nodes)), preference[nodes])
    deciding = components.evidence(edges, survivor)
    lost = np.flatnonzero(deciding >= 0)
    of[nodes[lost]] = nodes[survivor[lost]]
    evidence[nodes[lost]] = nodes[edges[deciding[lost]].sum(axis=1) - lost]
    similarity[nodes[lost]] = jaccards[deciding[lost]]
    stays = of < 0
    return pa.table(
        {
            "reason": pa.array([FUZZY, EXACT]).take(pa.array(is_exact.astype(np.int8), mask=stays)),
            "duplicate_of": pa.array(of, mask=stays),
            "evidence": pa.array(evidence, mask=stays),
            "similarity": pa.array(similarity, mask=stays),
        }
    )


def _similar(
    words: WordTable, alive: np.ndarray, threshold: float, shingle_words: int, permutations: int
) -> tuple[np.ndarray, np.ndarray]:
    """The similar pairs among the rows that are `alive` (bool [n]), int64 [p, 2] ascending, and float64 [p]."""
    bands, band_rows = lsh.choose_bands(threshold, permutations)
    rows = np.flatnonzero(alive)
    keys = lsh.band_keys(minhash.signatures(words, shingle_words, permutations, minhash.SEED)[rows], bands, band_rows)
    pairs = lsh.candidate_pairs(keys.reshape(-1), np.repeat(rows, bands))
    sets = shingle_sets(words, shingle_words)
    similarity = jaccard(sets, sets, pairs)
    return pairs[similarity >= threshold], similarity[similarity >= threshold]


def _config(section: str, settings: Mapping[str, Any]) -> Config:
    """A configuration of which one section counts. Raises ConfigError."""
    unused = {"output": "unused", "ingest": {"inputs": ["unused"]}}
    return configuration.validate({**unused, section: dict(settings)}, "settings")


def _column(text: Text) -> pa.LargeStringArray:
    """Some texts as one array without nulls. Raises TypeError for a column of something else."""
    column = _array(text) if isinstance(text, pa.Array | pa.ChunkedArray) else pa.array(text, pa.large_string())
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise TypeError(f"text must be strings, or an Arrow column of strings, not of {column.type}")
    return pc.fill_null(column.cast(pa.large_string()), "")


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.unify_dictionaries().chunks) if isinstance(column, pa.ChunkedArray) else column


def _blocks(column: pa.LargeStringArray) -> Iterator[pa.LargeStringArray]:
    """The column in slices of about BLOCK_BYTES of text, at least one."""
    ends = np.cumsum(pc.binary_length(column).to_numpy())
    starts = [0, *(np.flatnonzero(np.diff(ends // BLOCK_BYTES)) + 1).tolist(), len(column)]
    for start, end in pairwise(starts):
        yield column.slice(start, end - start)

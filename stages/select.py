"""select: `signals` → `selection`: which documents are kept, and of every other one, why not.

    input    the stored signals; the text again only of documents that may be fuzzy duplicates
    output   one row per document: kept, or the reason; of duplicates the document that stays, and the pair compared
    dropped  in this order: repeated ids, rules on signals, exact duplicates, fuzzy duplicates; a document that one step
             drops does not reach the next
    cost     about 90 bytes of memory per document here; MinHash band keys are shuffled as packed arrays, 16 bytes each

Fuzzy duplicates are found by LSH over MinHash signatures, and each candidate pair is verified by the true Jaccard
similarity of its shingle sets before it links two documents. Of each group that links connect, the longest document
stays; ties are broken by `doc_id`. The kept documents are then numbered densely, in the order of parts and rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline import artifacts, schemas
from pipeline.errors import ConfigError, NothingKept
from pipeline.stage import TEXT, Estimate, Run, Stage, aligned
from stages import fuzzy_duplicates
from text_core import components
from text_core.rules import GOPHER_QUALITY, Rule, first_failed

PRESETS: dict[str, tuple[Rule, ...]] = {"gopher_quality": GOPHER_QUALITY}
REPEATED_ID, EXACT, FUZZY = "repeated_id", "exact_duplicate", "fuzzy_duplicate"
KEPT = -1


class Verdicts(NamedTuple):
    """What is decided of each document, by its row in all parts together."""

    reason: np.ndarray  # int16, index into the reasons; KEPT for those that stay
    duplicate_of: np.ndarray  # int64 row of the survivor; −1 for none
    evidence: np.ndarray  # int64 row of the other document of the deciding pair; −1 for none
    similarity: np.ndarray  # float32 Jaccard similarity of that pair; NaN for none


class Documents(NamedTuple):
    """What is held of every document, in the order of parts and rows."""

    doc_id: np.ndarray  # 16 bytes each, dtype V16
    length: np.ndarray  # int64 bytes of text
    content_hash: np.ndarray  # 16 bytes each, dtype V16
    failed_rule: np.ndarray  # int16, −1 for none
    has_words: np.ndarray  # bool


def rules_of(run: Run) -> tuple[Rule, ...]:
    """The preset's rules with the configured thresholds.

    Raises:
        ConfigError: a threshold is for no rule of the preset.
    """
    settings = run.config.select
    rules = {rule.name: rule for preset in settings.rules for rule in PRESETS[preset]}
    for name, bound in settings.thresholds.items():
        if name not in rules:
            valid = ", ".join(rules) or "none: select.rules is none"
            raise ConfigError(f"select.thresholds.{name}: no such rule; valid are {valid}")
        rule = rules[name]
        if bound is None:
            del rules[name]
        elif rule.minimum is not None:
            rules[name] = rule._replace(minimum=bound)
        else:
            rules[name] = rule._replace(maximum=bound)
    return tuple(rules.values())


def reasons_of(rules: tuple[Rule, ...]) -> list[str]:
    """Every reason for a drop, in the order in which they are tried after repeated ids."""
    return [*(rule.name for rule in rules), REPEATED_ID, EXACT, FUZZY]


def judge(run: Run, rules: tuple[Rule, ...]) -> Documents:
    """Reads ids and signals, and applies the rules."""
    signals, documents = run.artifact("signals"), run.artifact("documents")
    columns = sorted({rule.signal for rule in rules} | {"byte_count", "word_count"})
    ids, lengths, hashes, failed, has_words = [], [], [], [], []
    for part, document_part in zip(run.manifest("signals").parts, run.manifest("documents").parts, strict=True):
        batch = artifacts.read_part(signals, part, [*columns, "content_hash"])
        values = {name: batch.column(name).to_numpy() for name in columns}
        failed.append(first_failed(rules, values))
        has_words.append(values["word_count"] > 0)
        lengths.append(values["byte_count"].astype(np.int64))
        hashes.append(_bytes16(batch.column("content_hash")))
        ids.append(_bytes16(artifacts.read_part(documents, document_part, ["doc_id"]).column("doc_id")))
    return Documents(*(np.concatenate(column) for column in (ids, lengths, hashes, failed, has_words)))


def _bytes16(column: pa.FixedSizeBinaryArray) -> np.ndarray:
    data = np.frombuffer(column.buffers()[1], dtype="V16")
    return data[column.offset : column.offset + len(column)].copy()


def groups_of_equals(keys: np.ndarray, rows: np.ndarray, *preferences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that share a key with a preferred one, and that preferred row.

    Args:
        keys: one 16-byte key for each of `rows`.
        rows: int64 rows.
        preferences: arrays over `rows`; the first of each group in their lexicographic order is preferred.

    Returns:
        (other rows, their preferred rows), both int64, ordered by key and preference.
    """
    parts = keys.view("<u8").reshape(-1, 2)
    order = np.lexsort((*reversed(preferences), parts[:, 1], parts[:, 0]))
    ordered = parts[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    leader = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    return rows[order[~first]], rows[order[leader[~first]]]


def id_rank(doc_id: np.ndarray) -> np.ndarray:
    """int64 rank of each 16-byte id in the order of the ids' bytes, to break ties by."""
    halves = doc_id.view(">u8").reshape(-1, 2)
    rank = np.empty(len(doc_id), dtype=np.int64)
    rank[np.lexsort((halves[:, 1], halves[:, 0]))] = np.arange(len(doc_id))
    return rank


def work(run: Run) -> Mapping[str, Any]:
    settings, rules = run.config.select, rules_of(run)
    reasons = reasons_of(rules)
    run.progress.step("select: rules and exact duplicates")
    documents = judge(run, rules)
    count = len(documents.doc_id)
    verdicts = Verdicts(
        documents.failed_rule.copy(),
        np.full(count, -1, dtype=np.int64),
        np.full(count, -1, dtype=np.int64),
        np.full(count, np.nan, dtype=np.float32),
    )
    everyone = np.arange(count, dtype=np.int64)
    repeated, first = groups_of_equals(documents.doc_id, everyone, everyone)
    _drop(verdicts, repeated, reasons.index(REPEATED_ID), first, first)
    rank = id_rank(documents.doc_id)
    if settings.exact_duplicates:
        rows = np.flatnonzero(verdicts.reason == KEPT)
        preferences = (-documents.length[rows], rank[rows])
        others, survivors = groups_of_equals(documents.content_hash[rows], rows, *preferences)
        _drop(verdicts, others, reasons.index(EXACT), survivors, survivors, 1.0)
    statistics: dict[str, Any] = {}
    if settings.fuzzy_duplicates:
        alive = (verdicts.reason == KEPT) & documents.has_words
        links, similarity, statistics = fuzzy_duplicates.verified_pairs(run, alive)
        if len(links):
            _drop_components(documents, rank, verdicts, links, similarity, reasons.index(FUZZY))
    kept = verdicts.reason == KEPT
    if not kept.any():
        counts = np.bincount(verdicts.reason, minlength=len(reasons))
        raise NothingKept(
            f"{run.config.output}: none of {count:,} documents is kept, {counts.max():,} of them fell to "
            f"{reasons[int(counts.argmax())]}; loosen select.rules or select.thresholds"
        )
    _write(run, documents, verdicts, reasons)
    fuzzy_duplicates.remove_working_parts(run)
    return {"kept": int(kept.sum()), "documents": count, **statistics}


def _drop(
    verdicts: Verdicts,
    rows: np.ndarray,
    reason: int,
    survivors: np.ndarray,
    evidence: np.ndarray,
    similarity: float | np.ndarray = np.nan,
) -> None:
    verdicts.reason[rows] = reason
    verdicts.duplicate_of[rows] = survivors
    verdicts.evidence[rows] = evidence
    verdicts.similarity[rows] = similarity


def _drop_components(
    documents: Documents,
    rank: np.ndarray,
    verdicts: Verdicts,
    links: np.ndarray,
    weights: np.ndarray,
    reason: int,
) -> None:
    """Of each connected component of links keeps the longest document, ties by id."""
    involved = np.unique(links)
    edges = np.searchsorted(involved, links)
    labels = components.connected_components(edges, len(involved))
    order = np.lexsort((rank[involved], -documents.length[involved], labels))
    survivor_of_label = np.empty(len(involved), dtype=np.int64)
    first = np.ones(len(order), dtype=bool)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    survivor_of_label[labels[order[first]]] = order[first]
    survivors = survivor_of_label[labels]
    deciding = components.evidence(edges, survivors)
    lost = np.flatnonzero(survivors != np.arange(len(involved)))
    chosen = deciding[lost]
    partner = edges[chosen].sum(axis=1) - lost
    _drop(verdicts, involved[lost], reason, involved[survivors[lost]], involved[partner], weights[chosen])


def _write(run: Run, documents: Documents, verdicts: Verdicts, reasons: list[str]) -> None:
    directory = run.artifact("selection")
    kept = verdicts.reason == KEPT
    ordinals = np.cumsum(kept, dtype=np.int64) - 1
    done = {part.name for part in artifacts.written_parts(directory)}
    start = 0
    for part in run.manifest("signals").parts:
        rows = slice(start, start + part.rows)
        start += part.rows
        if part.name in done:
            continue
        here = kept[rows]
        columns = [
            pa.array(here),
            pa.DictionaryArray.from_arrays(
                pa.array(verdicts.reason[rows].astype(np.int32), mask=here), pa.array(reasons, pa.string())
            ),
            _ids(documents.doc_id, verdicts.duplicate_of[rows]),
            _ids(documents.doc_id, verdicts.evidence[rows]),
            pa.array(verdicts.similarity[rows], mask=np.isnan(verdicts.similarity[rows])),
            pa.array(ordinals[rows], mask=~here),
        ]
        batch = pa.record_batch(columns, schema=schemas.SELECTION)
        artifacts.write_part(directory, part.name, batch, compress=False)


def _ids(doc_id: np.ndarray, rows: np.ndarray) -> pa.Array:
    """The ids of some rows, null where the row is −1."""
    chosen = np.ascontiguousarray(doc_id[np.maximum(rows, 0)])
    valid = pa.array(rows >= 0).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(schemas.ID, len(rows), [valid, pa.py_buffer(chosen.tobytes())])


def parameters(run: Run) -> Mapping[str, Any]:
    settings = run.config.select
    return {
        "rules": [list(rule) for rule in rules_of(run)],
        **settings.model_dump(mode="json", exclude={"rules", "thresholds"}),
    }


def estimate(run: Run) -> Estimate:
    rows = run.manifest("signals").rows
    shuffled = fuzzy_duplicates.shuffled_bytes(run, rows) if run.config.select.fuzzy_duplicates else 0
    # Beam holds what it shuffles as bytes, and once more while a group is put together; a group then as arrays.
    memory = rows * 90 + 3 * shuffled
    text = run.manifest(run.text).statistics["text_bytes"]
    each = 16 * int(run.config.ingest.part_bytes) + 4 * min(shuffled, fuzzy_duplicates.GROUP_BYTES)
    return Estimate(memory=memory, disk=rows * 100 + shuffled + 2 * text, each_worker=each)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact("selection")
    yield from artifacts.schema_problems(directory, schemas.SELECTION)
    yield from aligned(run, "selection")
    ordinals = artifacts.read_columns(directory, ["ordinal"])["ordinal"].drop_null().to_numpy()
    if not np.array_equal(ordinals, np.arange(len(ordinals))):
        yield f"{directory.path()}: ordinals are not 0 … n-1 in order; delete it and run again"


STAGE = Stage("select", "selection", 1, ("documents", TEXT, "signals"), parameters, estimate, work, verify)

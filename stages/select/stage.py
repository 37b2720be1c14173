"""select: `signals` → `selection`: which documents are kept, and of every other one, why not.

    input    the stored signals; the text again only of documents that may be fuzzy duplicates, or to find contamination
    output   one row per document: kept, or the reason; of duplicates the document that stays, and the pair compared
    dropped  in this order: what is judged alone (by URL, language and rules on signals), repeated ids, contamination by
             evaluation texts, duplicates of what another run kept, exact duplicates, fuzzy duplicates; a document that
             one step drops does not reach the next, but for repeated ids
    cost     64 bytes of memory per document here, at most, and twice as many mapped; MinHash band keys are shuffled as
             packed arrays, 16 bytes each

Fuzzy duplicates are found by LSH over MinHash signatures, and each candidate pair is verified by the true Jaccard
similarity of its shingle sets before it links two documents. Of each group that links connect, one document stays, by
`select.survivor`; ties are broken by `doc_id`. The kept documents are then numbered densely, by part and row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, schemas, scratch
from sequitur.pipeline.errors import NothingKept
from sequitur.pipeline.names import (
    CONTAMINATED,
    CONTAMINATION,
    DOCUMENTS,
    REPEATED_ID,
    SELECT_DUPLICATES,
    SELECTION,
    SIGNALS,
)
from sequitur.pipeline.shuffle import PLACE_BYTES
from sequitur.pipeline.stage import Estimate, Run, aligned
from sequitur.pipeline.storage import Directory
from sequitur.stages.select import against, candidates, decontamination, duplicates, fuzzy_duplicates
from sequitur.stages.select.alarms import raise_alarms
from sequitur.stages.select.candidates import Likeness
from sequitur.stages.select.verdicts import KEPT, Documents, Verdicts, all_kept, bytes16, unread
from sequitur.stages.shared.columns.arrays import problems_beside
from sequitur.stages.shared.judge import Judge, judge_of


def reasons_of(judge: Judge) -> list[str]:
    """Every reason for a drop."""
    return [*judge.reasons, REPEATED_ID, CONTAMINATED, *SELECT_DUPLICATES]


def read(documents: Directory, signals: Directory, judge: Judge) -> tuple[Documents, Verdicts]:
    """Reads ids and signals, and judges each document alone."""
    columns = sorted({*judge.columns, "byte_count", "unique_word_share", "content_hash"})
    count, empty, done = artifacts.require_manifest(signals).rows, scratch.beside(signals), 0
    found, verdicts = unread(count, empty), all_kept(count, empty)
    of_both = zip(artifacts.require_manifest(signals).parts, artifacts.require_manifest(documents).parts, strict=True)
    for part, document_part in of_both:
        values = artifacts.read_part(signals, part, columns)
        names = artifacts.read_part(documents, document_part, ["doc_id", "url"])
        here = slice(done, done := done + part.rows)
        verdicts.reason[here] = judge.verdicts(values, names.column("url"))
        found.has_words[here] = values.column("unique_word_share").to_numpy() > 0
        found.length[here] = values.column("byte_count").to_numpy()
        found.content_hash[here] = bytes16(values.column("content_hash"))
        found.doc_id[here] = bytes16(names.column("doc_id"))
    return found, verdicts


def work(run: Run) -> Mapping[str, Any]:
    settings, root, text = run.config.select, run.root, run.artifact(run.text)
    judge = judge_of(settings)
    reasons = reasons_of(judge)
    run.progress.step("select: rules")
    documents, verdicts = read(root / DOCUMENTS, root / SIGNALS, judge)
    others = duplicates.drop_repeated_ids(documents, verdicts, reasons.index(REPEATED_ID))
    if others:
        share = others / len(documents.doc_id)
        run.progress.say(
            f"warning: {others:,} of {len(documents.doc_id):,} documents ({share:.1%}) are dropped for their id, "
            "although their text is another; if ids begin anew in each file set ingest.ids: file_and_row"
        )
    contamination, counts = decontamination.find(run.jobs, root, text, run.config)
    contaminated = verdicts.reason[contamination.row] == KEPT
    contaminated &= settings.decontaminate_action == "drop"
    verdicts.reason[contamination.row[contaminated]] = reasons.index(CONTAMINATED)
    documents, statistics = duplicates.drop_duplicates(run.jobs, root, text, run.config, documents, verdicts, reasons)
    alarms = raise_alarms(run.progress, root, settings.alarm_share, documents, verdicts, reasons)
    kept = verdicts.reason == KEPT
    if not kept.any():
        fell = np.bincount(verdicts.reason, minlength=len(reasons))
        raise NothingKept(
            f"{run.config.output}: none of {len(kept):,} documents is kept, {fell.max():,} of them fell to "
            f"{reasons[int(fell.argmax())]}; loosen select.rules or select.thresholds"
        )
    decontamination.write(root, contamination, contaminated)
    _write(root, documents, verdicts, reasons)
    fuzzy_duplicates.remove_working_parts(root / SELECTION)
    decontamination.remove_working_parts(root)
    return {"kept": int(kept.sum()), "documents": len(kept), **counts, **statistics, "alarms": alarms}


def _write(root: Directory, documents: Documents, verdicts: Verdicts, reasons: list[str]) -> None:
    selection = builds.current(root / SELECTION)
    done = {part.name for part in builds.written_parts(selection)}
    start = before = 0  # documents of the parts before, and those of them that are kept
    for part in artifacts.require_manifest(root / SIGNALS).parts:
        rows = slice(start, start + part.rows)
        here = verdicts.reason[rows] == KEPT
        ordinals = before + np.cumsum(here, dtype=np.int64) - 1
        start, before = start + part.rows, before + int(np.count_nonzero(here))
        if part.name in done:
            continue
        columns = [
            pa.array(here),
            pa.DictionaryArray.from_arrays(
                pa.array(verdicts.reason[rows].astype(np.int32), mask=here), pa.array(reasons, pa.string())
            ),
            _ids(documents.doc_id, verdicts.duplicate_of[rows]),
            _ids(documents.doc_id, verdicts.evidence[rows]),
            pa.array(verdicts.similarity[rows], mask=np.isnan(verdicts.similarity[rows])),
            pa.array(ordinals, mask=~here),
        ]
        batch = pa.record_batch(columns, schema=schemas.SELECTION)
        builds.write_part(selection, part.name, batch, compress=False)


def _ids(doc_id: np.ndarray, rows: np.ndarray) -> pa.Array:
    """The ids of some rows, null where the row is −1."""
    chosen = np.ascontiguousarray(doc_id[np.maximum(rows, 0)])
    valid = pa.array(rows >= 0).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(schemas.ID, len(rows), [valid, pa.py_buffer(chosen.tobytes())])


def estimate(run: Run) -> Estimate:
    settings, rows = run.config.select, run.manifest(SIGNALS).rows
    elsewhere = sum(other.selection.rows for other in against.find_all(run.config))
    fuzzy = settings.fuzzy_duplicates
    shuffled = candidates.shuffled_bytes(rows + elsewhere, Likeness.of(run.config).bands) if fuzzy else 0
    # What is shuffled here waits in files; Beam holds where it lies, of each part for each group. What is indexed of
    # evaluation texts is gone before duplicates are looked for.
    groups = shuffled // candidates.GROUP_BYTES if run.runner.is_local else 0
    places = PLACE_BYTES * groups * len(run.manifest(SIGNALS).parts)
    memory = 64 * rows + max(places, decontamination.memory_bytes(settings))
    text = run.manifest(run.text).statistics["text_bytes"]
    each = 16 * int(run.config.ingest.part_bytes) + 8 * min(shuffled, candidates.GROUP_BYTES)
    # Mapped is of each document what is known of it and decided, 63 bytes; then its rank and what that is made of, 25,
    # or its rank and its link, 48, of which one is reckoned; and 32 for ids of another run.
    mapped = rows * (63 + (48 if fuzzy else 25) + 32 * bool(settings.against))
    return Estimate(memory, rows * 100 + mapped + shuffled + 2 * text, each, mapped=mapped, shuffled=shuffled)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact(SELECTION)
    yield from artifacts.schema_problems(directory, schemas.SELECTION)
    yield from aligned(run.artifact(SELECTION), run.artifact(DOCUMENTS))
    yield from problems_beside(run.artifact(CONTAMINATION), schemas.CONTAMINATION, run.artifact(SELECTION))
    ordinals = artifacts.read_columns(directory, ["ordinal"])["ordinal"].drop_null().to_numpy()
    if not np.array_equal(ordinals, np.arange(len(ordinals))):
        yield f"{directory.path()}: ordinals are not 0 … n-1 in order; delete it and run again"

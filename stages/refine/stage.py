"""refine: `documents` → `refined`: their text, changed as the settings ask; `refined/changes` says what was changed.

    input    the text of a part of `documents`
    output   one row per document, its text; beside it one row per changed document and operation
    dropped  nothing: a document of which nothing is left stays, as an empty text, which `select` drops as `empty`
    cost     `fix_unicode` and `redact` make Python strings of the documents that they may concern; lines are arrays.
             Repeats take a pass over the text of their own, and a shuffle of 16 bytes for each distinct line of a part

The stage is left out of a run in which nothing is refined; later stages then read the text of `documents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts, builds, former, schemas
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.names import CHANGES, DOCUMENTS, REFINED
from sequitur.pipeline.sections import Refine
from sequitur.pipeline.shuffle import PLACE_BYTES
from sequitur.pipeline.stage import Estimate, Run, aligned
from sequitur.pipeline.storage import Directory
from sequitur.stages.refine.declaration import STAGE
from sequitur.stages.refine.operations import apply, first_steps, last_steps, without_repeats
from sequitur.stages.refine.repeats import GROUP_BYTES, REPEATS, find_repeats, read_repeats, shuffled_bytes
from sequitur.stages.shared.columns.arrays import problems_beside
from sequitur.text_core.edits.edits import Edited

COLUMNS = ["doc_id", "record_id", "source", "text"]
COUNTS = ("text_bytes", "characters_read", "characters")  # in each part's metadata, and their sums in the manifest
# Of text on one core, measured: lines and literal strings; ftfy, pattern by line, personal data.
ARRAYS_PER_SECOND, STRINGS_PER_SECOND = 100e6, 4e6


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class RefineText(beam.DoFn):
    """A part of `documents` → its refined text; writes the part of `refined/changes` beside it.

    The changes are written before the text, so that a part of `refined` never stands without them.
    """

    def __init__(self, settings: Refine, changes: Build, repeats: Directory) -> None:
        self._settings, self._changes, self._repeats = settings, changes, repeats

    def setup(self) -> None:
        self._first, self._last = first_steps(self._settings), last_steps(self._settings)
        self._repeated = read_repeats(self._repeats, self._settings) if _counts_repeats(self._settings) else None

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, documents = rows
        text, changed = documents.column("text"), []
        for operation, edited in self._refine(documents):
            changed.append((operation, edited, pc.not_equal(text, edited.text).to_numpy(zero_copy_only=False)))
            text = edited.text
        changes = changes_of(documents.column("doc_id"), changed)
        if changes.num_rows:
            builds.write_part(self._changes, name, changes, compress=True)
        counts = (_total(pc.binary_length(text)), _characters(documents.column("text")), _characters(text))
        metadata = {key: str(count) for key, count in zip(COUNTS, counts, strict=True)}
        yield name, pa.record_batch([text], schema=schemas.REFINED.with_metadata(metadata))

    def _refine(self, documents: pa.RecordBatch) -> Iterator[tuple[str, Edited]]:
        """Each operation in turn, by name, on what the one before it left."""
        text = documents.column("text")
        for step in self._first:
            edited = apply(step, text, documents)
            text = edited.text
            yield step.name, edited
        if self._repeated is not None:
            for name, edited in without_repeats(text, self._repeated):
                text = edited.text
                yield name, edited
        for step in self._last:
            edited = apply(step, text, documents)
            text = edited.text
            yield step.name, edited


def _counts_repeats(settings: Refine) -> bool:
    return settings.max_line_repeats is not None or settings.max_paragraph_repeats is not None


def _characters(text: pa.LargeStringArray) -> int:
    return _total(pc.utf8_length(text))


def _total(counts: pa.Array) -> int:
    return int(pc.sum(counts, min_count=0).as_py())


def changes_of(doc_id: pa.FixedSizeBinaryArray, operations: Sequence[tuple[str, Edited, np.ndarray]]) -> pa.RecordBatch:
    """The rows of `refined/changes` for a part: by document, then in the order of the operations.

    Of each operation its name, what it did, and bool by row whether the text is another one after it.
    """
    if not operations:
        return pa.record_batch([pa.array([], field.type) for field in schemas.CHANGES], schema=schemas.CHANGES)
    row, operation = np.nonzero(np.stack([changed for _, _, changed in operations], axis=1))
    names = pa.array([name for name, _, _ in operations], pa.string())
    counts = np.stack([np.stack(edited[1:]) for _, edited, _ in operations])[operation, :, row]
    columns = [
        doc_id.take(pa.array(row)),
        pa.array(row),
        pa.DictionaryArray.from_arrays(pa.array(operation, pa.int32()), names),
        *(pa.array(column) for column in counts.T),
    ]
    return pa.record_batch(columns, schema=schemas.CHANGES)


def estimate(run: Run) -> Estimate:
    settings, documents = run.config.refine, run.manifest(DOCUMENTS)
    shuffled = shuffled_bytes(documents.statistics["text_bytes"]) if _counts_repeats(settings) else 0
    # What is shuffled here waits in files; Beam holds where it lies, of each part for each group. A part is there as it
    # was and as it is, as Python strings, with its lines (24 bytes each) and their hashes.
    groups = shuffled // GROUP_BYTES if run.runner.is_local else 0
    return Estimate(
        memory=2 * PLACE_BYTES * groups * len(documents.parts),
        disk=documents.bytes + documents.rows * 50 + shuffled,
        each_worker=12 * int(run.config.ingest.part_bytes) + min(shuffled, 2**28),
        shuffled=shuffled,
    )


def work(run: Run) -> Mapping[str, Any]:
    settings, refined = run.config.refine, run.build(REFINED)
    changes = builds.begin(run.artifact(CHANGES), refined.fingerprint, kept=() if run.updating else None)
    if _counts_repeats(settings):
        find_repeats(run.jobs, run.root, settings, COLUMNS)
    else:  # what a document becomes depends on it alone
        _take_over(run.root, run.parameters.get(REFINED, {}), refined, changes)
    strings = settings.fix_unicode or settings.redact or any(edit.remove_lines for edit in settings.edits)
    run.jobs.map_parts(
        {run.artifact(DOCUMENTS): COLUMNS},
        RefineText(settings, changes, run.artifact(REPEATS)),
        refined,
        compress=True,
        step="refine: text",
        seconds=run.manifest(DOCUMENTS).statistics["text_bytes"]
        / (STRINGS_PER_SECOND if strings else ARRAYS_PER_SECOND),
    )
    builds.finish(changes, {}, {}, {})
    run.root.remove(REPEATS)
    return {**_counted(refined), **_changed(changes.directory)}


def _take_over(root: Directory, parameters: Mapping[str, Any], refined: Build, changes: Build) -> None:
    """Takes over what was made before of equal documents; the changes of a part before the part."""
    for manifest in former.manifests(refined.directory):
        beside = former.find(changes.directory, manifest.fingerprint)
        if beside is None or not former.is_alike(manifest, STAGE.name, STAGE.version, parameters):
            continue
        names = former.same_names(root, manifest, [DOCUMENTS])
        for build, one in ((changes, beside), (refined, manifest)):
            made = {part.name: part for part in one.parts}
            builds.take_over(build, {now: made[then] for now, then in names.items() if then in made})


def _counted(refined: Build) -> dict[str, int]:
    metadata = builds.written(refined).values()
    return {name: sum(int(one[name]) for one in metadata) for name in COUNTS}


def _changed(changes: Directory) -> dict[str, Any]:
    """How many documents were changed, and what each operation did."""
    documents = 0
    operations: dict[str, dict[str, int]] = {}
    for part in artifacts.require_manifest(changes).parts:
        batch = artifacts.read_part(changes, part)
        documents += len(pc.unique(batch.column("row")))
        sums = [("count", "sum"), ("characters_removed", "sum"), ("characters_added", "sum"), ([], "count_all")]
        table = pa.table(batch.set_column(2, "operation", pc.cast(batch.column("operation"), pa.string())))
        for row in table.group_by("operation").aggregate(sums).to_pylist():
            total = operations.setdefault(row["operation"], dict.fromkeys(("documents", *batch.schema.names[3:]), 0))
            total["documents"] += row["count_all"]
            for name in batch.schema.names[3:]:
                total[name] += row[f"{name}_sum"]
    return {"documents_changed": documents, "operations": dict(sorted(operations.items()))}


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact(REFINED)
    yield from artifacts.schema_problems(directory, schemas.REFINED)
    yield from aligned(run.artifact(REFINED), run.artifact(DOCUMENTS))
    yield from problems_beside(run.artifact(CHANGES), schemas.CHANGES, run.artifact(REFINED))
    statistics = run.manifest(REFINED).statistics
    for name, artifact in (("characters_read", "documents"), ("characters", "refined")):
        parts, place = run.manifest(artifact).parts, run.artifact(artifact)
        counted = sum(_characters(artifacts.read_part(place, part, ["text"]).column("text")) for part in parts)
        if counted != statistics[name]:
            yield (
                f"{directory.path()}: says that {artifact} has {statistics[name]:,} characters, it has {counted:,}; "
                "delete it and run again"
            )

"""Spans of tokens that occur more than once among the kept documents: found, told in `tokens/spans`, taken out.

Finding them takes all tokens at once, in this process: `text_core.duplicates.repeated_spans` says how much memory.
Taking them out is a map over the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.beam import Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.errors import OverMemory
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.progress import Progress, human
from sequitur.pipeline.sections import Tokenize
from sequitur.pipeline.storage import Directory
from sequitur.text_core.duplicates.repeated_spans import Spans, covered, memory_bytes, repeated_spans
from sequitur.text_core.units.offsets import offsets_of

WHOLE = "tokens/_whole"  # the tokens before anything is taken out; gone when that is done
REMOVED_PER_SECOND = 50e6  # tokens copied without their spans on one core, measured


def token_bytes(ids: int) -> int:
    """Bytes of a token in the stream that is searched, where ids are below `ids`."""
    return 2 if ids <= 2**16 else 4


def find(
    spans_of: Directory,
    fingerprint: str,
    tokens: Directory,
    parts: Sequence[Part],
    settings: Tokenize,
    progress: Progress,
) -> Mapping[str, Any]:
    """Writes `tokens/spans`, a part for each part of the tokens; returns what was counted.

    Args:
        spans_of: the artifact to write.
        fingerprint: of `tokens`, which is being built.
        tokens: the directory that holds all their parts.
        parts: the parts, in the order of the ordinals.
        settings: how long a span is, and how much memory finding them may take.
        progress: where that is told.

    Raises:
        OverMemory: the tokens are too many for `tokenize.span_memory`.
    """
    if artifacts.is_finished(spans_of, fingerprint):
        return artifacts.require_manifest(spans_of).statistics
    progress.step("tokenize: repeated spans")
    stream, offsets = _stream(tokens, parts, int(settings.span_memory), progress)
    spans = repeated_spans(stream, offsets, settings.span_tokens)
    build = builds.begin(spans_of, fingerprint)
    first, repeated = 0, 0
    for part in parts:
        rows = slice(*np.searchsorted(spans.document, [first, first + part.rows]))
        here = Spans(*(column[rows] for column in spans))
        starts = offsets[first : first + part.rows + 1] - offsets[first]
        repeated += int(covered(starts, here.document - first, here.start, here.length).sum())
        builds.write_part(build, part.name, pa.record_batch([*here], schema=schemas.SPANS), compress=False)
        first += part.rows
    counts = {"spans": len(spans.start), "repeated_tokens": repeated}
    builds.finish(build, {}, {}, counts)
    return counts


def _stream(tokens: Directory, parts: Sequence[Part], budget: int, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """All tokens, uint16 or uint32, and where each document begins, int64 [n + 1]; searching them may take `budget`."""
    offsets = np.zeros(1 + sum(part.rows for part in parts), dtype=np.int64)
    row, ids = 0, 1
    for part in parts:
        begin, here = _lists(artifacts.map_part(tokens, part))
        offsets[row : row + part.rows + 1] = begin + offsets[row]
        ids = max(ids, 1 + int(here.max(initial=0)))  # not the vocabulary's size: ids may have gaps
        row += part.rows
    count, width = int(offsets[-1]), token_bytes(ids)
    memory = memory_bytes(count, width) + offsets.nbytes
    if memory > budget:
        raise OverMemory(
            f"tokenize.repeated_spans: finding them among {count:,} tokens takes {human(memory)} and "
            f"tokenize.span_memory allows {human(budget)}; raise it, or set tokenize.repeated_spans=ignore"
        )
    progress.say(f"{'':<10} repeated spans among {count:,} tokens take {human(memory)} of memory")
    stream = np.empty(count, dtype=f"u{width}")
    row = 0
    for part in parts:
        stream[offsets[row] : offsets[row + part.rows]] = _lists(artifacts.read_part(tokens, part))[1]
        row += part.rows
    return stream, offsets


def _lists(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """The token ids of a part: int64 offsets [n + 1] from 0 on, and uint32 ids."""
    column = batch.column("input_ids")
    offsets = column.offsets.to_numpy()
    return offsets - offsets[0], column.values.to_numpy()[offsets[0] : offsets[-1]]


@beam.typehints.with_input_types(Rows)
@beam.typehints.with_output_types(Rows)
class RemoveSpans(beam.DoFn):
    """The tokens of a part → the same without those in a span. The last token of a document, its end, is in none."""

    def __init__(self, spans: Directory) -> None:
        self._spans = spans

    def setup(self) -> None:
        self._parts = {part.name: part for part in artifacts.require_manifest(self._spans).parts}

    def process(self, rows: Rows) -> Iterator[Rows]:
        name, batch = rows
        ordinals = batch.column("ordinal").to_numpy()
        offsets, ids = _lists(batch)
        spans = artifacts.read_part(self._spans, self._parts[name])
        ordinal, start, length = (spans.column(column).to_numpy() for column in ("ordinal", "start", "length"))
        staying = ~covered(offsets, np.searchsorted(ordinals, ordinal), start, length)
        ends = offsets_of(staying)[offsets]
        lists = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(ids[staying]))
        yield name, pa.record_batch([batch.column("ordinal"), lists], schema=schemas.TOKENS)


def remove(whole: Directory, spans: Directory, tokens: Build, jobs: Jobs) -> None:
    """Writes the parts of `tokens` from those of the whole documents, without the spans."""
    jobs.map_parts(
        {whole: ["ordinal", "input_ids"]},
        RemoveSpans(spans),
        tokens,
        step="tokenize: taking out spans",
        seconds=artifacts.require_manifest(whole).bytes / 4 / REMOVED_PER_SECOND,
    )

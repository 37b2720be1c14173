"""Rows of kept documents, of which those that were there before are taken over, and the others computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts, builds, former
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.beam import ReadPart, Rows
from sequitur.pipeline.builds import Build
from sequitur.pipeline.names import SELECTION
from sequitur.pipeline.storage import Directory


class Before(NamedTuple):
    """What was made before of the same text."""

    artifact: Part
    selection: Part  # by which documents were kept of it


def before(root: Directory, build: Build, manifest: Manifest, text: str) -> dict[str, Before]:
    """By the name of a part of the text now, what was made before of an equal one. What is wholly as it was, ordinals
    too, becomes a part of the build at once.

    Args:
        root: of the run, with finished `selection`.
        build: of an artifact with rows of kept documents.
        manifest: the former one of it.
        text: the artifact with the text.
    """
    selection = former.find(root / SELECTION, manifest.parents.get(SELECTION, ""))
    if selection is None:
        return {}
    made, chosen = ({part.name: part for part in one.parts} for one in (manifest, selection))
    same = former.same_names(root, manifest, [text, SELECTION])
    builds.take_over(build, {now: made[then] for now, then in same.items()})
    names = former.same_names(root, manifest, [text])
    return {now: Before(made[then], chosen[then]) for now, then in names.items()}


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(Rows)
class KeptRows(beam.DoFn):
    """The name of a part → its rows: `ordinal`, and a column of lists.

    Args:
        compute: text, `kept` and `ordinal` of a part → the rows of its kept documents.
        target: what is built.
        text: the artifact with the text.
        selection: which documents are kept.
        parts: what was made before, by the name of a part.
        beside: columns by artifact that `compute` is given, too; each says something of the text alone.
        whole: whether a row depends on those beside it, so that a part is taken over only if the same ones are kept.
    """

    def __init__(
        self,
        compute: beam.DoFn,
        target: Build,
        text: Directory,
        selection: Directory,
        parts: Mapping[str, Before],
        *,
        beside: Mapping[Directory, Sequence[str]] | None = None,
        whole: bool = False,
    ) -> None:
        self._compute, self._target, self._selection = compute, target.directory, selection
        self._parts, self._whole = parts, whole
        self._all = ReadPart({text: ["text"], selection: ["kept", "ordinal"], **(beside or {})})
        self._verdicts = ReadPart({selection: ["kept", "ordinal"]})
        self._is_set_up = False

    def setup(self) -> None:
        self._all.setup()
        self._verdicts.setup()

    def teardown(self) -> None:
        if self._is_set_up:
            self._compute.teardown()

    def process(self, name: str) -> Iterator[Rows]:
        there = self._parts.get(name)
        if there is None:
            yield name, self._computed(name)
            return
        ((_, now),) = self._verdicts.process(name)
        kept = _bools(now.column("kept"))
        then = _bools(artifacts.read_part(self._selection, there.selection, ["kept"]).column("kept"))
        if self._whole and not np.array_equal(kept, then):
            yield name, self._computed(name)
            return
        staying, new = np.flatnonzero(kept & then), np.flatnonzero(kept & ~then)
        made = artifacts.read_part(self._target, there.artifact)
        values = made.column(1).take(pa.array((np.cumsum(then) - 1)[staying]))
        if len(new):
            values = pa.concat_arrays([values, self._computed(name, kept & ~then).column(1)])
            values = values.take(pa.array(np.argsort(np.concatenate([staying, new]))))
        ordinals = now.column("ordinal").filter(now.column("kept"))
        yield name, pa.record_batch([ordinals, values], schema=made.schema.remove_metadata())

    def _computed(self, name: str, chosen: np.ndarray | None = None) -> pa.RecordBatch:
        """The rows of the kept documents, or of those chosen among them: bool by row."""
        if not self._is_set_up:  # a model is loaded only where something is to be computed
            self._compute.setup()
            self._is_set_up = True
        ((_, batch),) = self._all.process(name)
        if chosen is not None:
            batch = batch.set_column(batch.schema.get_field_index("kept"), "kept", pa.array(chosen))
        ((_, rows),) = self._compute.process((name, batch))
        return rows


def _bools(column: Any) -> np.ndarray:
    found: np.ndarray = column.to_numpy(zero_copy_only=False)
    return found

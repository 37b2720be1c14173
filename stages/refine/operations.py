"""The operations of `refine`, in the order of their settings, each a function of a part's texts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.sections import Edit, Refine
from sequitur.text_core.edits import edits, patterns, redact
from sequitur.text_core.edits.edits import Edited, Lines, edit_some, unchanged
from sequitur.text_core.edits.line_filters import keep_c4_lines, keep_fineweb_lines
from sequitur.text_core.edits.repair import fix_unicode
from sequitur.text_core.edits.repeats import is_among, line_hashes, paragraphs
from sequitur.text_core.units.strings import Strings, from_arrow

MAX_LINE_REPEATS, MAX_PARAGRAPH_REPEATS = "max_line_repeats", "max_paragraph_repeats"
Operation = Callable[[pa.LargeStringArray], Edited]


class Step(NamedTuple):
    """An operation and the documents that it is for."""

    name: str  # in `refined/changes`
    operation: Operation
    source: str | None = None
    record_id: str | None = None


class Repeats(NamedTuple):
    """Hashes of what the corpus repeats too often, uint64, ascending; None where that is not asked."""

    lines: np.ndarray | None
    paragraphs: np.ndarray | None


def first_steps(settings: Refine) -> list[Step]:
    """What comes before repeats are counted.

    Raises:
        ConfigError: a pattern is none of RE2's.
    """
    steps = [Step("fix_unicode", fix_unicode)] if settings.fix_unicode else []
    for number, edit in enumerate(settings.edits, start=1):
        steps.append(Step(f"edit_{number}", _edit(edit, number), edit.source, edit.record_id))
    if settings.symbol_lines:
        steps.append(Step("symbol_lines", edits.remove_symbol_lines))
    if settings.c4_lines:
        steps.append(Step("c4_lines", keep_c4_lines))
    if settings.fineweb_lines:
        steps.append(Step("fineweb_lines", keep_fineweb_lines))
    return steps


def last_steps(settings: Refine) -> list[Step]:
    """What comes after repeats are removed."""
    return [
        Step(f"redact_{kind}", functools.partial(redact.redact, kind=kind, phone_regions=settings.phone_regions))
        for kind in redact.KINDS
        if kind in settings.redact
    ]


def _edit(edit: Edit, number: int) -> Operation:
    if edit.remove_lines is not None:
        try:
            pattern = patterns.compiled(edit.remove_lines)
        except ValueError as error:
            raise ConfigError(
                f"refine.edits: remove_lines of edit {number}: {str(error)[:200]}; write it in RE2's syntax, which has "
                "no lookaround and no back-references"
            ) from error
        return functools.partial(patterns.remove_matching_lines, pattern=pattern)
    if edit.replace is not None:
        return functools.partial(edits.replace, old=edit.replace, new=edit.by)
    first, last = edit.drop or (1, 0)
    return functools.partial(edits.drop_lines, first=first, last=last)


def apply(step: Step, text: pa.LargeStringArray, documents: pa.RecordBatch) -> Edited:
    """One step on a part's texts; `documents` has the columns `source` and `record_id`."""
    if step.source is None and step.record_id is None:
        return step.operation(text)
    chosen = np.ones(len(text), dtype=bool)
    for column, wanted in (("source", step.source), ("record_id", step.record_id)):
        if wanted is not None:
            equal = pc.equal(pc.cast(documents.column(column), pa.string()), wanted).fill_null(False)
            chosen &= equal.to_numpy(zero_copy_only=False)
    if not chosen.any():
        return unchanged(text)
    return edit_some(text, step.operation(text.filter(pa.array(chosen))), chosen)


class HashedLines(NamedTuple):
    """The lines of some texts, and what is counted of them."""

    strings: Strings
    lines: Lines
    line_hash: np.ndarray  # uint64 [l], BLANK for blank lines
    paragraph_hash: np.ndarray  # uint64 [p]
    paragraph: np.ndarray  # int64 [l], −1 for none


def hashed_lines(text: pa.LargeStringArray) -> HashedLines:
    strings = from_arrow(text)
    lines = edits.find_lines(strings)
    hashes = line_hashes(strings, lines)
    found = paragraphs(lines, hashes)
    return HashedLines(strings, lines, hashes, found.hash, found.of_line)


def without_repeats(text: pa.LargeStringArray, repeats: Repeats) -> Iterator[tuple[str, Edited]]:
    """Removes every occurrence of the repeated lines, then of the repeated paragraphs.

    Both are told by the text as it is given, so that a paragraph is still itself where lines of it are removed.
    """
    hashed = hashed_lines(text)
    keep = np.ones(len(hashed.line_hash), dtype=bool)
    if repeats.lines is not None:
        keep = ~is_among(hashed.line_hash, repeats.lines)
        edited = edits.without_lines(hashed.strings, hashed.lines, keep)
        yield MAX_LINE_REPEATS, edited
    if repeats.paragraphs is not None:
        repeated = np.append(is_among(hashed.paragraph_hash, repeats.paragraphs), False)  # the last for paragraph −1
        without = edits.without_lines(hashed.strings, hashed.lines, keep & ~repeated[hashed.paragraph])
        if repeats.lines is not None:
            without = without._replace(
                changes=without.changes - edited.changes, removed=without.removed - edited.removed
            )
        yield MAX_PARAGRAPH_REPEATS, without

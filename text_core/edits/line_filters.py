"""The line rules of C4 and FineWeb as changes to texts: only the lines that they keep are left."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.text_core.edits.edits import Edited
from sequitur.text_core.signals import c4, fineweb
from sequitur.text_core.units.lines import KEPT, LineVerdicts, split_lines, sum_by_document
from sequitur.text_core.units.strings import Strings, from_arrow


def keep_c4_lines(text: pa.LargeStringArray) -> Edited:
    """The texts as C4 leaves them: the lines it keeps, stripped, without citations, joined by line feeds."""
    strings = from_arrow(text)
    verdicts = c4.c4_lines(strings, split_lines(strings))
    return _edited(text, verdicts, c4.c4_text(strings, verdicts))


def keep_fineweb_lines(text: pa.LargeStringArray) -> Edited:
    """The texts without the lines that make FineWeb's filter drop a document: repeated, or short without an end."""
    strings = from_arrow(text)
    verdicts = fineweb.fineweb_lines(strings)
    return _edited(text, verdicts, fineweb.fineweb_text(strings, verdicts))


def _edited(text: pa.LargeStringArray, verdicts: LineVerdicts, left: Strings) -> Edited:
    """As `changes` the lines removed, as `removed` the code points that the texts are shorter by."""
    offsets, data = (pa.py_buffer(column) for column in left)
    after = pa.LargeStringArray.from_buffers(len(text), offsets, data)
    removed = pc.subtract(pc.utf8_length(text), pc.utf8_length(after)).to_numpy(zero_copy_only=False).astype(np.int64)
    count = sum_by_document(verdicts.reason != KEPT, verdicts.document_offsets)
    return Edited(after, count, removed, np.zeros(len(text), dtype=np.int64))

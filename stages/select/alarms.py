"""Sources of which more is lost to duplicates than was to be expected: a mirror, a template, a source read twice."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sequitur.pipeline import artifacts
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.stages.select.verdicts import Documents, Verdicts

FEWEST = 20  # documents; a smaller source gives no alarm, for a few copies are a large share of it


def raise_alarms(
    progress: Progress,
    directory: Directory,
    most: float,
    documents: Documents,
    verdicts: Verdicts,
    duplicates: np.ndarray,
) -> dict[str, float]:
    """Warns of each source of at least 20 documents that loses more than a share of them to duplicates.

    Args:
        progress: where the warnings are told.
        directory: `documents`, finished, which has the sources.
        most: `select.alarm_share`.
        documents: whose ids name the largest group.
        verdicts: final.
        duplicates: bool by row, what is lost to duplicates.

    Returns:
        The share lost, by source, of the sources warned of.
    """
    names, codes = _sources(directory)
    total = np.bincount(codes, minlength=len(names))
    share = np.bincount(codes[duplicates], minlength=len(names)) / np.maximum(total, 1)
    alarms = {}
    for code in np.flatnonzero((total >= FEWEST) & (share > most)).tolist():
        survivor, size = np.unique(verdicts.duplicate_of[duplicates & (codes == code)], return_counts=True)
        largest = int(size.argmax())
        progress.say(
            f"warning: source {names[code]} loses {share[code]:.1%} of its {total[code]:,} documents to duplicates, "
            f"{size[largest]:,} of them to document {documents.doc_id[survivor[largest]].tobytes().hex()}"
        )
        alarms[names[code]] = round(float(share[code]), 6)
    return alarms


def _sources(directory: Directory) -> tuple[list[str], np.ndarray]:
    """Names of the sources, ascending, and of each document its source's place among them, int64."""
    parts = artifacts.require_manifest(directory).parts
    columns = [artifacts.read_part(directory, part, ["source"]).column(0).cast(pa.string()) for part in parts]
    encoded = pa.chunked_array(columns, pa.string()).combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    order = np.argsort(names)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return [names[index] for index in order], place[encoded.indices.to_numpy()]

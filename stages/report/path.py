"""Cosines along the path, for the report's page: the whole of it in short, and some stretches as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from sequitur.graph_sort import metrics
from sequitur.stages.report.order_metrics import Cut

BINS = 240  # of the whole path
STRETCHES = ("beginning", "middle", "end")
STRETCH_DOCUMENTS, STRETCH_CONTEXTS = 64, 24
FILL_BINS = 20


def path_cosines(cut: Cut, vectors: np.ndarray) -> np.ndarray:
    """Cosine of each piece to the one before it on the path, float32 [p]; vectors as `Yardstick.own`.

    A path that is cut leads on from context to context; so do these cosines. NaN for the first piece, and for one of
    the same document as that before.
    """
    document = cut.contexts.document
    found = np.full(len(document), np.nan, dtype=np.float32)
    found[1:] = metrics.consecutive_cosines(vectors, document)
    found[1:][document[1:] == document[:-1]] = np.nan
    return found


def along_the_path(cut: Cut, cosines: np.ndarray) -> dict[str, Any]:
    """What `path_cosines` found, told shortly.

    Returns:
        `inside`, `between`: mean cosine of neighbours in a context, and of those that a boundary parts; `bins`: of
        consecutive stretches of the path `from` and `to` (documents), `low`, `mean`, `high` (10th percentile, mean and
        90th of those inside a context); `stretches`: `name`, `first` (document), `documents` (ordinals), `cosines`
        and `boundaries`: positions in it where a context begins.
    """
    opens = np.zeros(len(cosines), dtype=bool)
    opens[cut.contexts.offsets[:-1]] = True
    inside = np.flatnonzero(~opens & np.isfinite(cosines))
    between = cosines[opens & np.isfinite(cosines)]
    bins = []
    for some in np.array_split(inside, min(BINS, max(len(inside), 1))):
        if len(some):
            low, high = np.percentile(cosines[some], [10, 90])
            ends = {"from": int(some[0]), "to": int(some[-1])}
            bins.append(ends | {"low": _short(low), "mean": _short(cosines[some].mean()), "high": _short(high)})
    return {
        "pieces": len(cosines),
        "contexts": len(cut.contexts.offsets) - 1,
        "inside": _short(cosines[inside].mean()) if len(inside) else None,
        "between": _short(between.mean()) if len(between) else None,
        "bins": bins,
        "stretches": _stretches(cut, cosines),
    }


def _stretches(cut: Cut, cosines: np.ndarray) -> list[dict[str, Any]]:
    offsets = cut.contexts.offsets
    count = len(offsets) - 1
    found: list[dict[str, Any]] = []
    for name, share in zip(STRETCHES, (0.0, 0.5, 1.0), strict=True):
        # as many contexts as hold the documents, ending with the last for the end of the path
        first = int(share * count)
        if share == 1:
            first = max(int(np.searchsorted(offsets, offsets[-1] - STRETCH_DOCUMENTS)), count - STRETCH_CONTEXTS, 0)
        begin = int(offsets[min(first, count)])
        last = int(min(begin + STRETCH_DOCUMENTS, offsets[min(first + STRETCH_CONTEXTS, count)]))
        if last > begin and all(begin != one["first"] for one in found):
            inside = (offsets > begin) & (offsets < last)
            found.append(
                {
                    "name": name,
                    "first": begin,
                    "documents": cut.contexts.document[begin:last].tolist(),
                    "cosines": [_short(one) for one in cosines[begin:last]],
                    "boundaries": [0, *(offsets[inside] - begin).tolist()],
                    "contexts": [first, first + int(inside.sum())],
                }
            )
    return found


def context_cosines(cut: Cut, cosines: np.ndarray) -> np.ndarray:
    """Mean cosine of neighbours in each context, float64 [c]; NaN for contexts of one piece."""
    inner = np.nan_to_num(cosines.astype(np.float64), copy=False)
    inner[cut.contexts.offsets[:-1]] = 0
    pairs = np.diff(cut.contexts.offsets) - 1
    sums = np.add.reduceat(inner, cut.contexts.offsets[:-1]) if len(pairs) else np.zeros(0)
    return np.divide(sums, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def fill(cuts: list[Cut]) -> list[int]:
    """How many contexts are filled by 0 … 5 %, 5 … 10 % and so on of their tokens, in FILL_BINS bins."""
    counts = np.zeros(FILL_BINS, dtype=np.int64)
    for cut in cuts:
        if len(cut.contexts.offsets) > 1:
            tokens = np.add.reduceat(cut.contexts.length, cut.contexts.offsets[:-1])
            counts += np.bincount(np.minimum(FILL_BINS * tokens // cut.row_lengths, FILL_BINS - 1), minlength=FILL_BINS)
    found: list[int] = counts.tolist()
    return found


def _short(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None

"""Contexts to read in the report's page, from the least coherent to the most: their documents, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np

from sequitur.graph_sort.distinct import distinct_values
from sequitur.stages.report.order_metrics import Cut
from sequitur.stages.report.titles import NamedDocuments

CONTEXTS = 7
PIECES = 10  # shown of a context
PIECES_WANTED = 3  # that a context has, where there are enough such
TOKENS, CHARACTERS = 400, 1000  # read and shown of a piece, where a context has few; fewer where it has many
LEAST_CHARACTERS, ALL_CHARACTERS = 240, 8000


def chosen_contexts(train: Cut, coherence: np.ndarray) -> np.ndarray:
    """Contexts at even steps from the lowest mean cosine to the highest, int64 [≤ CONTEXTS]; `coherence` float64 [c].

    Contexts of few pieces are taken only where there are not enough others.
    """
    pieces = np.diff(train.contexts.offsets)
    enough = (np.flatnonzero(pieces >= least) for least in (PIECES_WANTED, 2, 1))
    ranked = next((some for some in enough if len(some) >= CONTEXTS), np.arange(len(pieces)))
    ranked = ranked[np.argsort(coherence[ranked], kind="stable")]  # NaN last
    steps = np.linspace(0, max(len(ranked) - 1, 0), CONTEXTS).round().astype(np.int64)
    return ranked[distinct_values(steps)] if len(ranked) else ranked


def contexts_to_read(
    documents: NamedDocuments, train: Cut, chosen: np.ndarray, coherence: np.ndarray, cosines: np.ndarray
) -> list[dict[str, Any]]:
    """What the chosen contexts (int64) hold.

    Args:
        documents: to find titles and text.
        train: the contexts of the training split.
        chosen: some of them.
        coherence: float64 [c], mean cosine of neighbours in each.
        cosines: float32 [p], of each piece to the one before it.

    Returns:
        Of each context: `context`; `row` in the shards, None where they lie in several directories; `tokens`, `room`,
        `coherence`, `pieces_in_all`; `pieces`, the first PIECES: `document` (ordinal), `start`, `length`, `cosine`
        (None for the first) and `text`, the beginning of what its tokens say.
    """
    contexts, rows = train.contexts, np.broadcast_to(train.row_lengths, len(train.contexts.offsets) - 1)
    ranges = [np.arange(*contexts.offsets[one : one + 2])[:PIECES] for one in chosen.tolist()]
    every = np.concatenate([np.empty(0, np.int64), *ranges])
    said = iter(
        documents.texts(contexts.document[every], contexts.start[every], np.minimum(contexts.length[every], TOKENS))
    )
    found = []
    for one, some in zip(chosen.tolist(), ranges, strict=True):
        first, last = contexts.offsets[one : one + 2].tolist()
        characters = int(np.clip(ALL_CHARACTERS // len(some), LEAST_CHARACTERS, CHARACTERS))
        pieces = [
            {
                "document": int(contexts.document[at]),
                "start": int(contexts.start[at]),
                "length": int(contexts.length[at]),
                "cosine": round(float(cosines[at]), 4) if at > first and np.isfinite(cosines[at]) else None,
                "text": text[:characters] + (" …" if len(text) > characters or contexts.length[at] > TOKENS else ""),
            }
            for at, text in zip(some.tolist(), said, strict=False)
        ]
        found.append(
            {
                "context": one,
                "row": _row(train, one),
                "tokens": int(contexts.length[first:last].sum()),
                "room": int(rows[one]),
                "coherence": round(float(coherence[one]), 4) if np.isfinite(coherence[one]) else None,
                "pieces_in_all": last - first,
                "pieces": pieces,
            }
        )
    return found


def _row(train: Cut, context: int) -> int | None:
    """The row at which a context is read, where all lie in one directory."""
    if len(train.reading_orders) > 1:
        return None
    return int(np.flatnonzero(train.reading_orders[0] == context)[0])

"""Contexts sorted by a signal, such as a quality score or how well the text compresses: a warm-up for training."""

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.documents import Documents, known
from sequitur.graph_sort.orders import Order, contexts, first_of_runs, numbered


def order(documents: Documents, seed: int) -> Order:
    """The contexts of the order `contexts`, by the rising mean of the signal over their tokens.

    A document whose signal is NaN does not count; a context without any that does comes last. Contexts are meant to
    be read in this order. Raises MissingField where the signal is not known. O(n log n), and that of `contexts`.
    """
    known(documents.signal, documents, "signal")
    base = contexts.with_fillers(documents, seed, False)  # sorted, contexts would leave theirs behind
    context = numbered(base.opens)
    mean = _means(context, documents.signal[base.permutation], documents.lengths[base.permutation])
    rank = np.empty(mean.size, np.int64)
    rank[np.argsort(mean, kind="stable")] = np.arange(mean.size)  # NaN is sorted last
    by_rank = np.argsort(rank[context], kind="stable")
    path = numbered(first_of_runs(base.path[by_rank]))
    return Order(base.permutation[by_rank], path, base.opens[by_rank], sorted=True)


def _means(context: NDArray[np.int64], signal: NDArray[np.float64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[c]: mean of each context's signals, weighted by tokens; NaN where there is none."""
    counts = np.where(np.isnan(signal), 0, np.maximum(lengths, 1))
    count = int(context[-1]) + 1 if context.size else 0
    weight = np.bincount(context, counts, count)
    total = np.bincount(context, counts * np.nan_to_num(signal), count)
    mean = np.full(count, np.nan)
    np.divide(total, weight, out=mean, where=weight > 0)
    return mean

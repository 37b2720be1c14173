"""Saved bytes: what whole rows of text compress to, and how much less than another order's that is.

Of an order, T = Σ compressed bytes of rows / Σ bytes of their text. In-context gain leaves out the first document of a
context, and so changes with who comes first; T neither asks who comes first, nor where a document is cut. It sees the
literal part of what a language model gains from a context: repeated strings, not paraphrase.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from sequitur.text_core.signals.in_context_gain import LEVEL

RESAMPLES = 200  # the error is then known to 5 % of itself


class Share(NamedTuple):
    """What one order saves, as a share of what another saves."""

    share: float  # NaN where the other saves nothing
    error: float  # its standard error; NaN below two groups


def row_sizes(text: NDArray[np.uint8], begins: NDArray[np.int64], level: int = LEVEL) -> NDArray[np.int64]:
    """Compressed bytes of r rows, each by itself: zstd frames without a size, int64 [r].

    Row i is `text[begins[i]:begins[i + 1]]`, `begins` [r + 1]. 20 MB a second of a core, at QUICK 170; the interpreter
    is not held meanwhile, so calls in threads are at once.
    """
    compressor = zstandard.ZstdCompressor(level=level, write_content_size=False)
    rows = np.ascontiguousarray(text).data
    sizes = [len(compressor.compress(rows[begin:end])) for begin, end in pairwise(begins.tolist())]
    return np.array(sizes, dtype=np.int64)


def saved_share(
    ours: NDArray[np.float64],
    random: NDArray[np.float64],
    other: NDArray[np.float64],
    group: NDArray[np.int64],
    seed: int,
) -> Share:
    """(Σ random − Σ ours) / (Σ random − Σ other), over units of text that all three orders hold.

    Args:
        ours: [u], compressed bytes of each unit, as of a row of an order.
        random: [u], the same of a random order.
        other: [u], the same of the order to compare with.
        group: [u], the row of our order that each unit stands in, ≥ 0. What shares a row is not independent.
        seed: of the bootstrap.

    The error is that of a bootstrap over groups, all three orders resampled together, so that what they have in common
    cancels. O(RESAMPLES · groups); 16 bytes a unit and 32 for each row up to the last.
    """
    is_met = np.bincount(group) > 0
    groups, count = (np.cumsum(is_met) - 1)[group], int(np.count_nonzero(is_met))
    sums = np.stack([np.bincount(groups, weights=random - one, minlength=count) for one in (ours, other)])
    total = sums.sum(axis=1)
    if not count or total[1] <= 0:
        return Share(float("nan"), float("nan"))
    share = float(total[0] / total[1])
    if count < 2:
        return Share(share, float("nan"))
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = np.array([sums[:, generator.integers(0, count, count)].sum(axis=1) for _ in range(RESAMPLES)])
    drawn = drawn[drawn[:, 1] > 0]
    return Share(share, float(np.std(drawn[:, 0] / drawn[:, 1], ddof=1)) if len(drawn) > 1 else float("nan"))

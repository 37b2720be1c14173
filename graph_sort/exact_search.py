"""Exact nearest neighbours by matrix products on any device of torch: for corpora that one GPU searches whole.

For each block of queries all scores are computed, in float16 on a GPU (the vectors are float16, so only the score is
rounded, to 2⁻¹¹ of itself), and reduced at once: of every GROUP columns only the greatest score is kept, and of those
the k + 1 + MARGIN greatest over all columns. The k nearest lie in the groups of the k greatest maxima, whatever the
groups are; so only the members of these groups, about a thousand, are scored again, in float32; and of the best of
those the cosines are computed in float64, term by term in the order of `vectors.dot`, so that they have its bits.

Cost of n queries against n vectors: 2n²d operations, 2n² bytes written and read, and per query 1/GROUP of its scores
to select from and a thousand rows to gather. For n = 10M, d = 384 and an H200 (by its data sheet 990 TFLOP/s of
float16, 4.8 TB/s) that is 80 to 130 s of products, in which the scores are written, about 50 s to read them, and by
estimate 60 s for the rest. That is arithmetic, not a measurement: none of this has been run on a GPU yet.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from sequitur.graph_sort.neighbors import MARGIN, Neighbors, VectorError, checked, merge, nothing_found
from sequitur.graph_sort.vectors import Vectors

GROUP = 32  # columns of which the greatest score is kept
COLUMNS = 65_536  # scored at once: with 8,192 queries 1 GiB of float16
QUERIES = 1024  # of which groups are opened at once: with 29 groups and d = 384, 1.4 GiB of float32
RESIDENT = 0.5  # share of the device's free memory that vectors may take


def exact_neighbors(
    vectors: Vectors,
    queries: Vectors,
    query_ids: NDArray[np.int64],
    k: int,
    device: str = "cuda",
    block: int = 8192,
    resident: int | None = None,
) -> Neighbors:
    """The k of `vectors` [n, d] nearest to each of `queries` [q, d], never the document `query_ids` [q] itself.

    Row i has id i; float16 or float32 of unit length, memory maps too. `block` queries are scored at once. Of the
    vectors `resident` rows at a time lie on the device: as many as fit into half of its free memory, by default;
    what several such slabs find is merged. Results do not depend on `block` or `resident`, and are those of
    `neighbors.scan`, bit for bit, unless more than MARGIN vectors have the score, as rounded,
    of the k-th nearest: among such near-equals some may then be missed.

    Raises ValueError for k < 1, VectorError.
    """
    found = nothing_found(checked(vectors, queries, query_ids, k), k)
    resident = resident or _rows_that_fit(device, vectors.shape[1])
    for start in range(0, len(vectors), resident):
        slab = _on_device(vectors[start : start + resident], device)
        here = nothing_found(len(queries), k)
        for begin in range(0, len(queries), block):
            rows = slice(begin, begin + block)
            asking = _on_device(queries[rows], device)
            ids = torch.as_tensor(np.array(query_ids[rows], dtype=np.int64) - start, device=device)
            groups = _best_groups(slab, asking, k + 1 + MARGIN)
            for first in range(0, len(asking), QUERIES):
                some = slice(first, first + QUERIES)
                neighbor, cosine = _open_groups(slab, asking[some], ids[some], groups[some], k)
                into = slice(begin + first, begin + first + len(neighbor))
                width = neighbor.shape[1]
                here.neighbor[into, :width] = torch.where(neighbor >= 0, neighbor + start, -1).cpu().numpy()
                here.cosine[into, :width] = cosine.cpu().numpy()
        found = merge(found, here)
    return found


def _best_groups(vectors: torch.Tensor, queries: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` groups with the greatest scores for each query: int64 [q, ≤ count].

    Each block of COLUMNS columns is groups of GROUP of them, which lie apart by the number of groups, so that the
    maxima are of whole rows of the block. Group g of the block at c holds the columns c + g, c + g + groups, …
    It is numbered by its first column, c + g.
    """
    exact_enough = torch.float16 if vectors.is_cuda else torch.float32  # few processors multiply float16
    queries = queries.to(exact_enough)
    best = torch.empty(len(queries), 0, dtype=exact_enough, device=vectors.device)
    group = torch.empty(len(queries), 0, dtype=torch.int64, device=vectors.device)
    for start in range(0, len(vectors), COLUMNS):
        scores = queries @ vectors[start : start + COLUMNS].to(exact_enough).T
        if scores.shape[1] % GROUP:
            scores = torch.nn.functional.pad(scores, (0, -scores.shape[1] % GROUP), value=-torch.inf)
        greatest = scores.view(len(queries), GROUP, -1).amax(1)
        before = best.shape[1]
        all_of_both = before + greatest.shape[1]
        best, at = torch.cat([best, greatest], 1).topk(min(count, all_of_both), dim=1, sorted=False)
        group = torch.where(at < before, _pick(group, at), start + at - before)
    return group


def _pick(group: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    return group.gather(1, at.clamp(max=group.shape[1] - 1)) if group.shape[1] else at


def _open_groups(
    vectors: torch.Tensor, queries: torch.Tensor, query_ids: torch.Tensor, groups: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest k among the members of each query's groups, by (−cosine, id): int64 and float32 [q, ≤ k]."""
    start = groups // COLUMNS * COLUMNS
    step = ((len(vectors) - start).clamp(max=COLUMNS) + GROUP - 1) // GROUP  # groups of the block
    members = torch.arange(GROUP, device=groups.device) * step[:, :, None] + groups[:, :, None]
    inside = members < (start + COLUMNS).clamp(max=len(vectors))[:, :, None]
    candidate = torch.where(inside, members, -1).flatten(1)
    score = torch.einsum("qd,qcd->qc", queries.float(), vectors[candidate.clamp(min=0)].float())
    score[(candidate < 0) | (candidate == query_ids[:, None])] = -torch.inf
    spare = min(k + MARGIN, score.shape[1])
    best, at = score.topk(spare, dim=1)
    candidate = torch.where(best > -torch.inf, candidate.gather(1, at), -1).sort(dim=1).values
    cosine = _dot(queries, vectors[candidate.clamp(min=0)])
    cosine[candidate < 0] = -torch.inf
    by_cosine = cosine.sort(dim=1, descending=True, stable=True).indices[:, :k]  # stable: then by id
    return candidate.gather(1, by_cosine), cosine.gather(1, by_cosine)


def _dot(queries: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """`vectors.dot` of each query [q, d] and its vectors [q, c, d]: eight running sums in float64, the same bits."""
    terms = queries.double()[:, None, :] * vectors.double()
    whole = terms.shape[2] - terms.shape[2] % 8
    sums = torch.zeros(*terms.shape[:2], 8, dtype=torch.float64, device=terms.device)
    for i in range(0, whole, 8):
        sums += terms[:, :, i : i + 8]
    fours = sums[:, :, :4] + sums[:, :, 4:]  # s0 + s4, s1 + s5, s2 + s6, s3 + s7
    total = (fours[:, :, 0] + fours[:, :, 2]) + (fours[:, :, 1] + fours[:, :, 3])
    for i in range(whole, terms.shape[2]):
        total += terms[:, :, i]
    return total.float()


def _on_device(vectors: Vectors, device: str) -> torch.Tensor:
    if not np.isfinite(vectors).all():
        raise VectorError("vectors hold NaN or infinity; embed them again")
    return torch.from_numpy(np.array(vectors)).to(device)


def _rows_that_fit(device: str, d: int) -> int:
    if torch.device(device).type != "cuda":
        return 2**62
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(free * RESIDENT) // (4 * d) // COLUMNS) * COLUMNS

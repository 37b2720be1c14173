"""The cores that arrange documents, without a run: an order of vectors, and the packing of an order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from sequitur.graph_sort import neighbors, packing
from sequitur.graph_sort.documents import BY_LIKENESS, ArrayDocuments, MissingField
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.orders import Order
from sequitur.graph_sort.packing import PackedContexts
from sequitur.pipeline import schemas, sections
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.seeds import derived_seed
from sequitur.stages.shared.columns.stored_vectors import normalized
from sequitur.stages.shared.strategies import strategy as strategy_named

STRATEGY = str(sections.Ordering.model_fields["strategy"].default)
K = int(sections.Neighbors.model_fields["k"].default)
CONTEXT_LENGTH = int(sections.Pack.model_fields["context_length"].default)
POLICY = str(sections.Pack.model_fields["policy"].default)
UNIT = 2e-3  # a length that differs from 1 by less, as float16 makes it, is left alone


def order(
    vectors: ArrayLike | pa.Array | pa.ChunkedArray,
    lengths: ArrayLike | None = None,
    *,
    strategy: str = STRATEGY,
    context_length: int = CONTEXT_LENGTH,
    policy: str = POLICY,
    k: int = K,
    seed: int = 0,
    **known: ArrayLike,
) -> Order:
    """A reading order of documents, by their vectors: the one that `order` makes of the same neighbours where
    `order.shared_strings` is 0.

    The k nearest neighbours of each are found exactly. Near-duplicates are not dropped.

    >>> import numpy as np
    >>> angles = np.radians([0, 90, 10, 100, 20, 110])
    >>> vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> order = sequitur.order(vectors, strategy="path", k=2)
    >>> order.permutation.tolist(), order.path.tolist()
    ([0, 2, 4, 1, 3, 5], [0, 0, 0, 1, 1, 1])

    Args:
        vectors: [n, d], or an Arrow column of fixed-size lists; what is not of unit length is brought to it.
        lengths: [n], tokens of each; if not given each counts one, and `context_length` counts documents.
        strategy: the name of an order, as in `order.strategy`.
        context_length: tokens of a context.
        policy: by which it will be packed: for `filled` the order `contexts` says what fills rows.
        k: neighbours of each document.
        seed: as the configuration's `seed`.
        known: what some orders go by: `source` and `structure`, int64 [n] codes; `signal`, float64 [n].

    Returns:
        `permutation`, int64 [n]: the document read i-th. `path`, int64 [n]: the fragment that it belongs to; `opens`,
        bool [n]: whether it is meant to begin a context; `sorted`: whether contexts are to be read in this order;
        `fills`, bool [n] or None: whether it is to fill up the contexts that follow it.

    Cost: n²·d multiplications; memory about 50·n·k bytes, and 4·n·d.

    Raises:
        ConfigError: there is no such order or policy, or it goes by something that is not given.
        ValueError: shapes do not agree, or vectors hold NaN or infinity.
    """
    chosen = strategy_named(strategy)
    _check_policy(policy)
    rows = _unit_rows(vectors)
    ids = np.arange(len(rows), dtype=np.int64)
    tokens = np.ones(len(rows), np.int64) if lengths is None else np.asarray(lengths).astype(np.int64)
    if tokens.shape != ids.shape:
        raise ValueError(f"lengths must be [{len(rows)}], a number for each vector, not {list(tokens.shape)}")
    fields: dict[str, Any] = {name: np.asarray(values) for name, values in known.items()}
    if unknown := set(fields) - {"source", "structure", "signal"}:
        raise ConfigError(f"order: goes by nothing called {min(unknown)}; there are source, structure and signal")
    found = neighbors.scan(rows, rows, ids, k)
    fields["rows_filled"] = policy in BY_LIKENESS
    documents = ArrayDocuments(from_neighbors(found.neighbor, found.cosine), rows, tokens, context_length, **fields)
    try:
        return chosen.order(documents, derived_seed(seed, "order", chosen.name))
    except MissingField as error:
        raise ConfigError(f"order.strategy {strategy}: {error}; give it, or choose another") from error


def pack(
    order: Order | ArrayLike,
    lengths: ArrayLike,
    context_length: int = CONTEXT_LENGTH,
    policy: str = POLICY,
) -> PackedContexts:
    """Contexts of documents in an order: what `pack` fills them with.

    >>> contexts = sequitur.pack(order, [100] * 6, context_length=300)
    >>> contexts.offsets.tolist(), contexts.document.tolist()
    ([0, 3, 6], [0, 2, 4, 1, 3, 5])

    Args:
        order: as `order` gives it, or a permutation alone, which does not say where contexts are meant to begin.
        lengths: [n], tokens of each document.
        context_length: tokens of a context.
        policy: `whole`, `filled`, `stream`, `best_fit` or `buckets`, as in `pack.policy`; to `filled` alike is what is
            near in the order.

    Returns:
        Context i has the pieces from `offsets[i]` up to `offsets[i + 1]`: of each its `document`, the token it begins
        at, `start`, and its `length`, int64 all.

    Raises:
        ConfigError: there is no such policy.
        ValueError: the order names a document that has no length, a length is negative, or a context has no tokens.
    """
    _check_policy(policy)
    tokens = np.ascontiguousarray(lengths, dtype=np.int64)
    if isinstance(order, Order):
        permutation, opens, fills = order.permutation, order.opens, order.fills
    else:
        permutation = np.ascontiguousarray(order, dtype=np.int64)
        opens, fills = np.zeros(permutation.size, np.bool_), None
    return packing.POLICIES[policy](tokens, permutation, context_length, opens, None, fills)


def _check_policy(policy: str) -> None:
    if policy not in packing.POLICIES:
        raise ConfigError(f"pack.policy: no policy is called {policy}; there are {', '.join(packing.POLICIES)}")


def _unit_rows(vectors: ArrayLike | pa.Array | pa.ChunkedArray) -> np.ndarray:
    """float16 or float32 [n, d], of unit length or zero."""
    if isinstance(vectors, pa.ChunkedArray):
        vectors = pa.concat_arrays(vectors.chunks)
    rows = schemas.list_matrix(vectors) if isinstance(vectors, pa.FixedSizeListArray) else np.asarray(vectors)
    if rows.ndim != 2:
        raise ValueError(f"vectors must be [n, d], not {list(rows.shape)}")
    squares = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
    others = np.flatnonzero((np.abs(np.sqrt(squares) - 1) > UNIT) & (squares > 0) & np.isfinite(squares))
    kind = rows.dtype if rows.dtype == np.float16 else np.float32
    units = rows.astype(kind, copy=len(others) > 0)
    if len(others):
        units[others] = normalized(rows[others]).astype(kind)
    return units

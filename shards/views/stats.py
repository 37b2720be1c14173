"""Statistics of a dataset: lengths of documents and contexts, padding, sources, languages, licences.

One pass over the columns of pieces, which leaves the tokens unread, and one over the documents table. Memory: 8 MiB a
distribution, and the distinct names of sources, languages and licences.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sequitur.shards.documents import read_documents
from sequitur.shards.families import read_families
from sequitur.shards.format import LONGEST_CONTEXT
from sequitur.shards.manifest import Manifest
from sequitur.shards.pieces import batches
from sequitur.shards.views.show import directories, open_dataset

_EXACT = LONGEST_CONTEXT  # values below it are counted one by one
_QUANTILES = {"p10": 0.1, "median": 0.5, "p90": 0.9, "p99": 0.99}
_NAMED = ("source", "language", "license")
_COSINE_BINS = 10


class Distribution:
    """Counts of whole numbers ≥ 0. Quantiles of values of 2²⁰ and more are told as 2²⁰; all else is exact."""

    def __init__(self) -> None:
        self._counts = np.zeros(_EXACT + 1, dtype=np.int64)
        self._sum, self._least, self._most = 0, -1, 0

    def add(self, values: NDArray[np.int64]) -> None:
        """Counts some values, int64 [n]."""
        if not len(values):
            return
        least = int(values.min())
        counts = np.bincount(np.minimum(values, _EXACT))
        self._counts[: len(counts)] += counts
        self._sum += int(values.sum())
        self._least = least if self._least < 0 else min(self._least, least)
        self._most = max(self._most, int(values.max()))

    def to_json(self) -> dict[str, Any]:
        """`count`, `sum`, `min`, `mean`, `max`, quantiles, and a `histogram` of [least, most, count] in bins that
        double; of no values the count alone."""
        count = int(self._counts.sum())
        if not count:
            return {"count": 0}
        upto = np.cumsum(self._counts)
        quantiles = {name: int(np.searchsorted(upto, share * count)) for name, share in _QUANTILES.items()}
        edges = [0, *(1 << power for power in range(_EXACT.bit_length()))]  # 0, 1, 2 … 3, 4 … 7, …
        bins = np.add.reduceat(self._counts, edges)
        histogram = [
            [low, 2 * low - 1 if low else 0, int(bin_count)]
            for low, bin_count in zip(edges, bins, strict=True)
            if bin_count
        ]
        histogram[-1][1] = self._most
        return {
            "count": count,
            "sum": self._sum,
            "min": self._least,
            "mean": self._sum / count,
            "max": self._most,
            **quantiles,
            "histogram": histogram,
        }


def statistics(root: str | PathLike[str], on_rows: Callable[[int], None] = lambda rows: None) -> dict[str, Any]:
    """Statistics of the dataset in `root`, or by directory of those that its families.json lists.

    Returns:
        `dataset`: what the manifest says; `splits`: by split contexts, documents, tokens and pads; distributions
        `tokens_per_document`, `documents_per_context`, `tokens_per_context`; `cosine_to_previous`; and `sources`,
        `languages`, `licenses`: of each name its documents, their tokens and the share of these, the largest first.
        Of several datasets `datasets`: these by directory.

    Raises named errors for a damaged dataset. `on_rows` is told how many contexts are done.
    """
    base = Path(root)
    if not directories(base):
        return _of_dataset(base, on_rows)
    found, done = {}, 0
    for entry in read_families(base):
        found[entry.directory] = _of_dataset(base / entry.directory, lambda rows, done=done: on_rows(done + rows))  # type: ignore[misc]
        done += entry.contexts
    return {"datasets": found}


def rows_of(root: str | PathLike[str]) -> int:
    """How many contexts `statistics` goes over."""
    base = Path(root)
    if directories(base):
        return sum(entry.contexts for entry in read_families(base))
    return sum(split.rows for split in open_dataset(base).splits.values())


def _of_dataset(root: Path, on_rows: Callable[[int], None]) -> dict[str, Any]:
    manifest = open_dataset(root)
    pieces, tokens, done = Distribution(), Distribution(), 0
    for split in manifest.splits:
        for batch in batches(root, manifest, split, check=False):
            pieces.add(np.diff(batch.contexts.doc_offsets).astype(np.int64))
            tokens.add(batch.contexts.num_tokens.astype(np.int64))
            done += len(batch.contexts.num_tokens)
            on_rows(done)
    return {
        "dataset": _about(manifest),
        "splits": _splits(manifest),
        **_of_documents(root, manifest),
        "documents_per_context": pieces.to_json(),
        "tokens_per_context": tokens.to_json(),
    }


def _about(manifest: Manifest) -> dict[str, Any]:
    header, packing = manifest.header, manifest.packing
    return {
        "context_length": header.seq_len,
        "tokenizer": header.tokenizer.name,
        "vocabulary": header.tokenizer.vocab_size,
        "policy": packing.policy,
        "order": manifest.order.kind,
        "split_documents": packing.split_docs,
        "padded_tokens": packing.padded_tokens,
        "dropped_tokens": packing.dropped_tokens,
        "repeated_tokens": packing.repeated_tokens,
        "elsewhere_tokens": packing.elsewhere_tokens,
        **({"epochs": [epoch.rows for epoch in manifest.order.epochs]} if manifest.order.epochs else {}),
        "fingerprint": manifest.fingerprint,
    }


def _splits(manifest: Manifest) -> dict[str, Any]:
    seq_len = manifest.header.seq_len
    return {
        name: {
            "contexts": split.rows,
            "documents": split.docs,
            "tokens": split.tokens,
            "pads": split.rows * seq_len - split.tokens,
            "shards": len(split.shards),
            "bytes": sum(shard.bytes for shard in split.shards),
        }
        for name, split in manifest.splits.items()
    }


def _of_documents(root: Path, manifest: Manifest) -> dict[str, Any]:
    lengths, named = Distribution(), {name: dict[str | None, list[int]]() for name in _NAMED}
    cosines = np.zeros(2 * _COSINE_BINS, dtype=np.int64)
    total = 0.0
    for batch in read_documents(root, manifest, (*_NAMED, "n_tokens", "cosine_to_previous")):
        tokens = batch.column("n_tokens")
        lengths.add(np.maximum(tokens.to_numpy(), 0))
        for name, counts in named.items():
            _count(batch.column(name), tokens, counts)
        values = pc.drop_null(batch.column("cosine_to_previous")).to_numpy()
        cosines += np.histogram(values, 2 * _COSINE_BINS, (-1.0, 1.0))[0]
        total += float(values.sum(dtype=np.float64))
    documents = lengths.to_json()
    whole = documents.get("sum", 0)
    return {
        "sources": _ranked(named["source"], whole),
        "languages": _ranked(named["language"], whole),
        "licenses": _ranked(named["license"], whole),
        "tokens_per_document": documents,
        "cosine_to_previous": {
            "count": int(cosines.sum()),
            "mean": total / int(cosines.sum()) if cosines.any() else None,
            "histogram": [
                [round(bin_ / _COSINE_BINS - 1, 1), round((bin_ + 1) / _COSINE_BINS - 1, 1), int(count)]
                for bin_, count in enumerate(cosines)
                if count
            ],
        },
    }


def _count(names: pa.Array, tokens: pa.Array, counts: dict[str | None, list[int]]) -> None:
    """Adds documents and tokens by name."""
    table = pa.table([names, tokens], names=["name", "tokens"])
    for row in table.group_by("name").aggregate([("tokens", "sum"), ([], "count_all")]).to_pylist():
        found = counts.setdefault(row["name"], [0, 0])
        found[0] += row["count_all"]
        found[1] += row["tokens_sum"]


def _ranked(counts: dict[str | None, list[int]], whole: int) -> Sequence[dict[str, Any]]:
    """By tokens, then by name; what has no name last among equals."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1][1], item[0] is None, item[0] or ""))
    return [
        {"name": name, "documents": documents, "tokens": tokens, "share": tokens / whole if whole else 0.0}
        for name, (documents, tokens) in ranked
    ]

"""Several orders of one run measured side by side, without packing them or writing shards: `sequitur compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sequitur.graph_sort import metrics
from sequitur.graph_sort.documents import Documents, MissingField
from sequitur.graph_sort.packing import Likeness
from sequitur.pipeline import scratch
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import NEIGHBORS, SELECTION, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Run
from sequitur.stages.order.documents import RunDocuments, rows_filled
from sequitur.stages.report import order_metrics, saved_bytes
from sequitur.stages.report.order_metrics import Yardstick
from sequitur.stages.report.page.comparison import PUBLISHED
from sequitur.stages.report.saved_bytes import SavedBytes
from sequitur.stages.shared.strategies import strategy

BASELINE = "random"


def compare(
    run: Run, names: Sequence[str], gain_contexts: int | None = None, *, exact: bool = False
) -> Mapping[str, Any]:
    """The metrics of some orders of a run's documents, all as one split, cut by the run's policy and context length.

    Args:
        run: finished up to `neighbors` and `tokens`; its configuration says how orders are cut. Shard families are left
            aside: every order is of all documents.
        names: of orders, as in `order.strategy`.
        gain_contexts: how many contexts are sampled for in-context gain; None as in the report.
        exact: compress every row at level 12, and search the published order's neighbours exactly, whatever that costs.

    Returns:
        `documents`, `context_length`, `policy`, `bound` (of the graph), `random_compressed_share`, `drawn_tokens` and
        `own_neighbors` (see `stages.report.saved_bytes`), and `orders`: by name the metrics of
        `saved_bytes.SavedBytes.of` and `order_metrics.measure` with `excess_gain`, `path_weight_share` and `paths`; or
        `error`, why there is no such order of this corpus. The last is Algorithm 1 as it was published, whatever the
        policy: `iclm + stream`.

    Raises:
        ConfigError: a name is no order's.
        OwnModuleFailed: an order of the user's own failed.
        MissingArtifact: the run is not finished so far.

    Cost: the graph and the vectors, and of each order its own, and compressing the text of all rows, or of
    some thousand of a large corpus (25 MB a second of a core), and that of some hundred contexts document by document.
    """
    names = list(dict.fromkeys(strategy(name).name for name in names))
    for artifact in (run.text, SELECTION, TOKENS, VECTORS, NEIGHBORS):
        run.manifest(artifact)
    config, progress = run.config, run.progress
    by = order_metrics.yardstick(run.root, config, gain_contexts)
    documents = RunDocuments(
        run.root, config.order, config.pack.context_length, progress, rows_filled=rows_filled(config)
    )
    members, empty = documents.ordinals, scratch.beside(run.root)
    peers = saved_bytes.peers(
        config,
        documents.graph,
        np.arange(len(members)),
        members,
        by,
        progress,
        exact=exact,
        empty=empty,
    )
    judge = SavedBytes(peers, by, progress, saved_bytes.EXACT if exact else saved_bytes.BOUNDS, empty=empty)
    measured = {name: measure_named(name, config, documents, members, by, judge, progress) for name in names}
    baseline = measured.get(BASELINE) or measure_named(BASELINE, config, documents, members, by, judge, progress)
    progress.step(f"{PUBLISHED}: measuring")
    measured[PUBLISHED] = judge.of(peers.published) | order_metrics.measure(peers.published, by, progress)
    for name, found in measured.items():
        if name == BASELINE:
            found |= {"excess_gain": 0.0, "excess_gain_error": 0.0}
        elif "error" not in found:
            found |= order_metrics.excess_gain(found, baseline)
    return {
        "documents": len(members),
        "context_length": config.pack.context_length,
        "policy": config.pack.policy,
        "bound": metrics.bound(documents.graph),
        **judge.of_random,
        "own_neighbors": peers.own_neighbors,
        "orders": measured,
    }


def measure_named(
    name: str,
    config: Config,
    documents: Documents,
    ordinals: np.ndarray,
    by: Yardstick,
    judge: SavedBytes,
    progress: Progress,
) -> dict[str, Any]:
    """The metrics of one order of `documents`, which are `ordinals` (int64 [n]) of a run; `error` where it has none.

    The order is that which a run of this configuration would have, were its families left aside: of the same seed.
    """
    progress.step(f"{name}: ordering")
    try:
        order = strategy(name).order(documents, derived_seed(config.seed, "order", name))
    except MissingField as error:
        return {"error": " ".join(str(error).split())}
    progress.step(f"{name}: measuring")
    alike = Likeness(documents.graph, np.arange(len(ordinals), dtype=np.int64))
    cut = order_metrics.cut(order, ordinals, by.lengths, config.pack, config.seed, alike)
    found: dict[str, Any] = {**judge.of(cut), **order_metrics.measure(cut, by, progress)}
    weight = order_metrics.path_weight(documents.graph, ordinals, order.permutation, by)
    return found | {
        "path_weight_share": weight["path_weight_share"],
        "paths": int(order.path[-1]) + 1 if len(order.path) else 0,
    }

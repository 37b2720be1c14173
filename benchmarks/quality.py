"""How good the orders of a finished run are, and `contexts` against In-Context Pretraining's Algorithm 1, `iclm`.

    python -m benchmarks.quality --run RUN [--orders contexts,iclm,…] [--context-length N]

RUN must be finished up to `neighbors` and `tokens`; nothing in it is changed. A table goes to standard error; the last
line of standard output is one JSON object, about `contexts` where it does not say of which order:

* `saved_vs_published`, `…_error`: the compressed bytes of all text that it saves beyond a random order packed by
  `stream`, as a share of what `iclm` saves as it was published: packed by `stream`, on the graph of the model's own
  vectors. Every row is compressed, and that graph is searched for here, exactly. The error is of a bootstrap;
* `compressed_share`, `published_compressed_share`, `random_compressed_share`: compressed bytes over bytes of text;
* `adjacency_vs_published`, `best_previous_vs_published`, `pairwise_vs_published`: ratios of cosines to the same peer;
* `orders`: by name all metrics of the order, the published one last, as `iclm + stream`; and the ratios
  `adjacency_vs_iclm`, `best_previous_vs_iclm`, `pairwise_vs_iclm` and `excess_gain_vs_iclm` to `iclm` cut by the run's
  policy, on its graph;
* the same ratios of `contexts` by themselves. Where words have a share in the run's vectors (`embed.lexical_weight`),
  those of cosines compare both orders on the graph of the model's own vectors, as if there were no such share; these
  two orders are in `own_graph`. They flatter what makes contexts: `whole` breaks the path that `iclm` is;
* `excess_gain_vs_iclm_error`: its standard error, the samples taken as independent. The gain leaves out the first
  document of each context, so it is higher where long documents come first;
* `path_vs_bound`, the weight of `path` as a share of the bound, the mean of each document's two heaviest edges; and
  `attainable_vs_bound`, the share of it that no path of graph edges can exceed: the heaviest choice of (parts of)
  edges of which no document has more than two, a linear program, for runs of at most 20,000 documents;
* `leakage_z` and `repeats` of `contexts`.

Compressing all rows takes a second for 25 MB of text, for each order. In-context gain is over all contexts unless
--gain-contexts says otherwise: about 10 ms for 8,192 tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from sequitur.graph_sort import metrics, orders
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import Graph
from sequitur.graph_sort.packing import Likeness
from sequitur.inspection.compare import compare
from sequitur.inspection.compare_view import render
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import overridden
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.order.documents import RunDocuments, rows_filled
from sequitur.stages.report import order_metrics
from sequitur.stages.report.order_metrics import Yardstick
from sequitur.stages.report.page.comparison import PUBLISHED
from sequitur.stages.report.saved_bytes import own_graph

DEFAULT = ("contexts", "iclm", "path", "cluster", "splice", "random")
OURS, PEER = "contexts", "iclm"
COSINES = ("adjacency", "best_previous", "pairwise")
RELAXED = 20_000  # documents for which the linear program takes a minute
Metrics = Mapping[str, Any]


def ratio(ours: Metrics, peer: Metrics, name: str) -> float | None:
    """ours / peer of a metric; None where it has no meaning."""
    value, of = ours.get(name), peer.get(name)
    return None if value is None or of is None or of <= 0 else value / of


def ratio_error(ours: Metrics, peer: Metrics, name: str) -> float | None:
    """Standard error of `ratio`, from those of both as if they were independent (first order)."""
    found = ratio(ours, peer, name)
    errors = [one.get(f"{name}_error") for one in (ours, peer)]
    if not found or None in errors:
        return None
    return abs(found) * math.hypot(errors[0] / ours[name], errors[1] / peer[name])


def own_graph_orders(run: Run, by: Yardstick) -> dict[str, Metrics]:
    """`contexts` and `iclm` on the graph of the model's own vectors, cut by the run's policy: their cosines."""
    members = RunDocuments(run.root, run.config.order, run.config.pack.context_length, run.progress).ordinals
    run.progress.step("the model's own neighbours")
    graph = own_graph(members, by, run.config.neighbors.k)
    documents = ArrayDocuments(
        graph,
        by.own[members],
        by.lengths[members],
        run.config.pack.context_length,
        rows_filled=rows_filled(run.config),
    )
    found = {}
    for name in (OURS, PEER):
        if name in orders.names():
            order = orders.find(name)(documents, derived_seed(run.config.seed, "order", name))
            alike = Likeness(graph, np.arange(len(members), dtype=np.int64))
            cut = order_metrics.cut(order, members, by.lengths, run.config.pack, run.config.seed, alike)
            found[name] = metrics.coherence(cut.contexts, by.own, by.duplicate_cosine)._asdict()
    return found


def attainable(graph: Graph) -> float | None:
    """The most that edges can weigh of which no document has more than two, as a share of `metrics.bound`."""
    n = graph.offsets.size - 1
    end = np.repeat(np.arange(n), np.diff(graph.offsets))
    once = (end < graph.neighbor) & (graph.weight > 0)
    a, b, weight = end[once], graph.neighbor[once], graph.weight[once].astype(np.float64)
    if n > RELAXED or not weight.size:
        return None
    of_document = csr_matrix((np.ones(2 * weight.size), (np.append(a, b), np.tile(np.arange(weight.size), 2))))
    most = linprog(
        -weight, A_ub=of_document, b_ub=np.full(of_document.shape[0], 2.0), bounds=(0, 1), method="highs-ipm"
    )
    return float(-most.fun / (n - 1) / metrics.bound(graph))


def figures(run: Run, names: list[str], gain_contexts: int) -> dict[str, Any]:
    """All that is printed; see above."""
    comparison = compare(run, [*names, "random"], gain_contexts, exact=True)
    measured = comparison["orders"]
    nothing: Metrics = {}
    peer, ours, published = (measured.get(name, nothing) for name in (PEER, OURS, PUBLISHED))
    found = {name: ours.get(name) for name in ("saved_vs_published", "saved_vs_published_error", "compressed_share")}
    found["published_compressed_share"] = published["compressed_share"]
    found |= {f"{name}_vs_published": ratio(ours, published, name) for name in COSINES}
    for one in measured.values():
        one |= {f"{name}_vs_iclm": ratio(one, peer, name) for name in (*COSINES, "excess_gain")}
    found |= {**comparison, "lexical_weight": run.config.embed.lexical_weight}
    by = order_metrics.yardstick(run.root, run.config, gain_contexts)
    judged = (ours, peer)
    if by.of_graph is not None:
        own = own_graph_orders(run, by)
        judged = (own.get(OURS, nothing), own.get(PEER, nothing))
        found["own_graph"] = own
    found |= {f"{name}_vs_iclm": ratio(*judged, name) for name in COSINES}
    found["excess_gain_vs_iclm"] = ratio(ours, peer, "excess_gain")
    found["excess_gain_vs_iclm_error"] = ratio_error(ours, peer, "excess_gain")
    run.progress.step("what a path could weigh")
    found["path_vs_bound"] = measured.get("path", nothing).get("path_weight_share")
    found["attainable_vs_bound"] = attainable(
        RunDocuments(run.root, run.config.order, run.config.pack.context_length, run.progress).graph
    )
    return found | {"leakage_z": ours.get("leakage_z"), "repeats": ours.get("repeats")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="run directory")
    parser.add_argument("--orders", default=",".join(DEFAULT), help="by default those of %(default)s that there are")
    parser.add_argument("--context-length", type=int, help="tokens; as in the run if not given")
    parser.add_argument("--policy", help="how contexts are cut; as in the run if not given")
    parser.add_argument("--gain-contexts", type=int, default=2**62, help="sampled for in-context gain; by default all")
    arguments = parser.parse_args()
    names = arguments.orders.split(",")
    if arguments.orders == parser.get_default("orders"):
        names = [name for name in names if name in orders.names()]
    progress = Progress()
    run = Run(run_directory.read_config(Directory(arguments.run)), progress=progress)
    settings = {"pack.context_length": arguments.context_length, "pack.policy": arguments.policy}
    changes = [f"{key}={value}" for key, value in settings.items() if value is not None]
    run = replace(run, config=overridden(run.config, changes))
    with progress.stage("quality"):
        found = figures(run, names, arguments.gain_contexts)
    Console(stderr=True, highlight=False, width=120).print(render(found))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

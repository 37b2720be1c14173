"""order: `neighbors` → `order`: the documents that stay, arranged so that related ones follow each other.

input    `neighbors` and `vectors`
output   a permutation of the ordinals, the path (fragment) that each belongs to, the cosine to the one before
dropped  nothing
cost     in this process: the graph, about 50·n·k bytes at its making, and the vectors, 4·n·d
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from graph_sort import metrics, orders
from pipeline import artifacts, schemas
from pipeline.stage import Estimate, Run, Stage
from stages.arrays import all_values
from stages.order_documents import RunDocuments, checked_strategy

PART_ROWS = 2**22


def work(run: Run) -> Mapping[str, Any]:
    strategy = run.config.order.strategy
    documents = RunDocuments(run)
    run.progress.step(f"order: {strategy}")
    order = orders.find(strategy)(documents, run.seed("order", strategy))
    cosines = np.concatenate(
        [np.zeros(1, np.float32), metrics.consecutive_cosines(documents.vectors, order.permutation)]
    )
    first = np.zeros(len(order.permutation), dtype=bool)
    first[0] = True
    columns = [
        pa.array(documents.ordinals[order.permutation]),
        pa.array(order.path),
        pa.array(order.opens),
        pa.array(cosines, mask=first),
    ]
    table = pa.record_batch(columns, schema=schemas.ORDER)
    done = {part.name for part in artifacts.written_parts(run.artifact("order"))}
    for index, start in enumerate(range(0, table.num_rows, PART_ROWS)):
        name = f"part-{index:05}-0000.arrow"
        if name not in done:
            artifacts.write_part(run.artifact("order"), name, table.slice(start, PART_ROWS), compress=False)
    return {
        "strategy": strategy,
        "paths": int(order.path[-1]) + 1,
        "sorted": order.sorted,
        "mean_cosine_to_previous": _mean(cosines[1:]),
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def parameters(run: Run) -> Mapping[str, Any]:
    checked_strategy(run.config.order.strategy)
    return {**run.config.order.model_dump(mode="json"), "seed": run.config.seed}


def estimate(run: Run) -> Estimate:
    count, k = run.manifest("neighbors").rows, run.config.neighbors.k
    dimensions = run.manifest("vectors").statistics["dimensions"]
    memory = 50 * count * k + 4 * run.manifest("vectors").rows * dimensions + 100 * count
    return Estimate(memory=memory, disk=24 * count)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact("order")
    yield from artifacts.schema_problems(directory, schemas.ORDER)
    if not np.array_equal(np.sort(all_values(run, "order", "ordinal")), all_values(run, "neighbors", "ordinal")):
        yield f"{directory.path()}: not every document stands in the order exactly once; delete it and run again"


STAGE = Stage("order", "order", 1, ("vectors", "neighbors"), parameters, estimate, work, verify)

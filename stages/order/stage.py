"""order: `neighbors` → `order`: the documents that stay, arranged so that related ones follow each other.

input    `neighbors` and `vectors`; `tokens` for the documents' lengths; `documents` and `signals` where an order asks
output   a permutation of the ordinals, the path (fragment) that each belongs to, the model's own cosine to the one
         before, which of them begin contexts, and which are to fill them, where `pack.policy` fills rows; where there
         are shard families, each is ordered by itself; `order/router` says which family a document belongs to. Where
         several epochs are asked for, as many orders, one after the other
dropped  nothing; the order `knn`, which is for comparison, repeats documents
cost     in this process about 64·n bytes; the graph, 48·n·k bytes at its making, and the vectors, 2·n·d, are mapped
         from this machine's disk; those of families, and of epochs, are held. Cells of the order `contexts` take up to
         0.2 GB each, and 1.2 GB with shared strings: on as many threads as there are workers, or, where jobs run
         elsewhere, on the workers, to which the documents are sent (`cells.py`); but not those of epochs after the
         first, in which documents are less alike
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import metrics, orders, packing
from sequitur.graph_sort.again import Again
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.documents import Documents, MissingField
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.orders import Order, contexts
from sequitur.graph_sort.packing import Likeness
from sequitur.graph_sort.part import Part
from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.memory import machine_bytes
from sequitur.pipeline.names import NEIGHBORS, ORDER, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import Estimate, Run
from sequitur.stages.order import families
from sequitur.stages.order.documents import CELLS, RunDocuments, on_workers, rows_filled
from sequitur.stages.order.strings import BLOCK_MEMORY
from sequitur.stages.shared.columns.arrays import all_values, graph_bytes
from sequitur.stages.shared.columns.epochs import rows_of_epochs
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.strategies import strategy

PART_ROWS = 2**22


def work(run: Run) -> Mapping[str, Any]:
    name = run.config.order.strategy
    config, progress = run.config, run.progress
    documents = RunDocuments(
        run.root,
        config.order,
        config.pack.context_length,
        progress,
        rows_filled=rows_filled(config),
        threads=threads_within(run.runner.threads, config, run.manifest(VECTORS).statistics["dimensions"]),
        jobs=run.jobs if on_workers(run.runner, run.manifest(NEIGHBORS).rows) else None,
    )
    family_of, names = families.family_of(run.root, config.families, config.seed, documents, progress)
    progress.step(f"order: {name}", len(names), "families")
    try:
        found = in_epochs(config, documents, family_of, names, progress)
    except MissingField as error:
        raise ConfigError(f"order.strategy {name}: {error}; choose another") from error
    order = end_to_end([order for order, _ in found])
    family = found[0][1] if len(found) == 1 else np.concatenate([family for _, family in found])
    ordinals = documents.ordinals[order.permutation]
    own = cast(np.ndarray, StoredVectors(run.root / VECTORS, own=True))  # all that is asked of them
    cosines = np.concatenate([np.zeros(1, np.float32), metrics.consecutive_cosines(own, ordinals, documents.threads)])
    rows = [order.permutation.size for order, _ in found]  # of each epoch
    first = orders.first_of_runs(family)
    first[offsets_of(rows)[1:-1]] = True
    columns = [
        pa.array(ordinals),
        pa.array(order.path),
        pa.array(order.opens),
        pa.array(_fills(order)),
        pa.array(family),
        pa.array(cosines, mask=first),
    ]
    table = pa.record_batch(columns, schema=schemas.ORDER)
    build = run.build(ORDER)
    done = {part.name for part in builds.written_parts(build)}
    for index, start in enumerate(range(0, table.num_rows, PART_ROWS)):
        part = f"part-{index:05}-0000.arrow"
        if part not in done:
            builds.write_part(build, part, table.slice(start, PART_ROWS), compress=False)
    run.root.remove(CELLS)
    return {
        "strategy": name,
        "paths": int(order.path[-1]) + 1,
        "sorted": order.sorted,
        "mean_cosine_to_previous": _mean(cosines[~first]),
        "families": names,
        "repeats": order.permutation.size - len(rows) * documents.ordinals.size,
        **({"epochs": rows} if len(rows) > 1 else {}),
    }


def in_epochs(
    config: Config, documents: Documents, family_of: np.ndarray, names: list[str], progress: Progress
) -> list[tuple[Order, np.ndarray]]:
    """`in_families` for each epoch; after the first, those that met are to meet others.

    Raises:
        ConfigError: the order repeats documents by itself, and there are several epochs.
    """
    name, epochs = config.order.strategy, config.pack.epochs
    found: list[tuple[Order, np.ndarray]] = []
    met: list[np.ndarray] = []
    for epoch in range(epochs):
        seed, once_more = config.seed, documents
        if epoch:
            seed = derived_seed(config.seed, "epoch", str(epoch))
            met.append(contexts_of(*found[-1], documents, config.pack))
            once_more = Again(documents, met, derived_seed(seed, "order", "again"))
            progress.step(f"order: {name}, epoch {epoch + 1} of {epochs}", len(names), "families")
        found.append(in_families(name, once_more, family_of, names, seed, progress))
        if epochs > 1 and found[-1][0].permutation.size > documents.lengths.size:
            raise ConfigError(f"order.strategy {name} repeats documents by itself; leave pack.epochs at 1")
    return found


def contexts_of(order: Order, family: np.ndarray, documents: Documents, settings: Pack) -> np.ndarray:
    """int64 [n]: the number of the context in which each document ends, if the order is cut as `settings` say; −1 of a
    document without tokens. That some documents are kept out for validation later is not considered."""
    found, contexts = np.full(documents.lengths.size, -1, np.int64), 0
    bounds = np.flatnonzero(np.diff(family)) + 1
    columns = (np.split(column, bounds) for column in (order.permutation, order.opens, _fills(order)))
    for members, opens, fills in zip(*columns, strict=True):
        lengths, everyone = documents.lengths[members], np.arange(members.size, dtype=np.int64)
        alike = None if order.sorted else Likeness(documents.graph, members)
        cut = packing.POLICIES[settings.policy](lengths, everyone, settings.context_length, opens, alike, fills)
        count = cut.offsets.size - 1
        last = cut.start + cut.length == lengths[cut.document]
        of_piece = np.repeat(np.arange(contexts, contexts + count), np.diff(cut.offsets))
        found[members[cut.document[last]]] = of_piece[last]
        contexts += count
    return found


def end_to_end(found: list[Order]) -> Order:
    """Some orders one after the other, their paths numbered on."""
    if len(found) == 1:
        return found[0]._replace(fills=_fills(found[0]))
    paths = offsets_of([int(order.path[-1]) + 1 if order.path.size else 0 for order in found])
    return Order(
        np.concatenate([order.permutation for order in found]),
        np.concatenate([order.path + first for order, first in zip(found, paths[:-1], strict=True)]),
        np.concatenate([order.opens for order in found]),
        found[0].sorted,
        np.concatenate([_fills(order) for order in found]),
    )


def in_families(
    strategy_name: str,
    documents: Documents,
    family_of: np.ndarray,
    names: list[str],
    seed: int,
    progress: Progress,
) -> tuple[Order, np.ndarray]:
    """The documents of each family ordered by themselves, one family after the other.

    Args:
        strategy_name: of the order, ours or the user's own.
        documents: all of them.
        family_of: int64 family of each document.
        names: of the families; of a single one without a name, the order is that of all documents.
        seed: the configured one.
        progress: where the families that are done are told.

    Returns:
        The order, its paths numbered on from family to family, and the family of each place, int64.
    """
    name, function = strategy(strategy_name)
    if names == [""]:
        order = function(documents, derived_seed(seed, "order", name))
        return order, families.of_one_family(order.permutation.size)
    by_family = np.argsort(family_of, kind="stable")
    ends = np.cumsum(np.bincount(family_of, minlength=len(names)))
    found: list[Order] = []
    for number, members in enumerate(np.split(by_family, ends[:-1])):
        order = function(Part(documents, members), derived_seed(seed, "order", name, names[number]))
        found.append(order._replace(permutation=members[order.permutation]))
        progress.update(number + 1)
    family = np.repeat(np.arange(len(names), dtype=np.int64), [order.permutation.size for order in found])
    return end_to_end(found), family


def _fills(order: Order) -> np.ndarray:
    return np.zeros(order.permutation.size, np.bool_) if order.fills is None else order.fills


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def estimate(run: Run) -> Estimate:
    count, k = run.manifest(NEIGHBORS).rows, run.config.neighbors.k
    vectors, tokens = run.manifest(VECTORS), run.manifest(TOKENS)
    dimensions, strings = vectors.statistics["dimensions"], run.config.order.shared_strings > 0
    memory, made = 64 * count, graph_bytes(count, k) + 2 * count * dimensions
    if run.config.pack.epochs > 1:
        memory += 2 * vectors.rows * dimensions + 60 * count * k
    if elsewhere := on_workers(run.runner, count):
        threads, cell = 1, cells_memory(contexts.CELL, 1, run.config, dimensions)
        sent = vectors.bytes + 12 * k * count + (tokens.bytes if strings else 0)  # of all documents
        part = cell + 2 * sent * contexts.CELL // count
    else:
        threads = threads_within(run.runner.threads, run.config, dimensions)
        memory += cells_memory(min(count, threads * contexts.CELL), threads, run.config, dimensions)
        sent = part = 0
    return Estimate(
        memory=memory + families.memory_bytes(run.config.families, vectors),
        disk=40 * count * run.config.pack.epochs + made + (18 * count if elsewhere else 0),
        each_worker=part,
        mapped=made + vectors.bytes + (0 if elsewhere or not strings else tokens.bytes),
        shuffled=sent,
    )


def threads_within(threads: int, config: Config, dimensions: int) -> int:
    """So many threads, but no more than have room for a cell each in half of this machine's memory."""
    return max(1, min(threads, machine_bytes() // 2 // cells_memory(contexts.CELL, 1, config, dimensions)))


def cells_memory(documents: int, threads: int, config: Config, dimensions: int) -> int:
    """What so many documents take, at most, while threads solve their cells."""
    strings = config.order.shared_strings > 0
    cells = contexts.memory_bytes(documents, config.neighbors.k, dimensions, strings=strings)
    return cells + (threads * BLOCK_MEMORY if strings else 0)


def verify(run: Run) -> Iterable[str]:
    directory = run.artifact(ORDER)
    yield from artifacts.schema_problems(directory, schemas.ORDER)
    yield from families.verify(run.root)
    placed, everyone = all_values(directory, "ordinal"), all_values(run.artifact(NEIGHBORS), "ordinal")
    repeats, rows = run.manifest(ORDER).statistics["repeats"], rows_of_epochs(directory)
    epochs = np.split(placed, np.cumsum(rows)[:-1])
    repeated = len(placed) - len(rows) * len(everyone)
    if any(not np.array_equal(distinct_values(one), everyone) for one in epochs) or repeated != repeats:
        yield f"{directory.path()}: not every document stands in the order exactly once; delete it and run again"

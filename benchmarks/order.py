"""How fast are neighbours turned into an order, beside the loop that In-Context Pretraining released?

    python -m benchmarks.order [--sizes 10000,100000,1000000,10000000] [--contexts-up-to 1000000]

Made-up documents: cells of 200 unit vectors [16] around random directions, ids shuffled, the 20 nearest of each found
within its cell; token lengths are lognormal. `contexts` counts strings, as by default: a document has one for each
token, half of them out of a hundred thousand that its cell has in common; making them up is not timed. Each size runs
in a process of its own, on one core. Of three runs the fastest counts, by the processor's time, of the released loop,
too: the first meets memory that the machine has yet to find. Figures, for each size N: `graph_documents_per_s_N`
(neighbours → graph), `iclm_…`, `path_…` and `contexts_…` (graph → order), `peak_gib_N` (of the process, input
included). At a million documents `order_vs_iclm_release` is the time of the released loop over the time of graph and
`iclm`, both from arrays of neighbours to a total order; `path_vs_…` and `contexts_vs_iclm_release` are the same for the
others. `growth_*` is the exponent of time over size between the smallest and the largest: 1 is linear.

The released loop (github.com/swj0419/in-context-pretraining, sort/sort.py): a start popped from the set of unseen
documents, then the first of the nine nearest not seen yet, until there is none or 21 documents are together; then
every document of a shorter run is put before its nearest document in another run.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.documents import ArrayDocuments, StringSets
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.neighbors import Neighbors
from sequitur.graph_sort.orders import find

CELL, DIMENSIONS, K, SPREAD = 200, 16, 20, 0.7
CONTEXT_LENGTH = 8192
COMPARED_AT = 1_000_000
RUN, NEAREST = 21, 9  # of the released loop
TIMES = 3  # each is measured, but `contexts`, which takes long
COMMON = 100_000  # strings that a cell has in common


@dataclass(frozen=True)
class MadeUp(ArrayDocuments):
    """Documents with strings that are made up when they are asked for; how long that took is in `making`."""

    cell: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # [n]
    strings_weight: float = 1.0
    making: list[float] = field(default_factory=list)

    def strings(self, members: NDArray[np.int64], every: int) -> StringSets:
        begin = time.process_time()
        rng = np.random.default_rng(int(members[0]))
        counts = self.lengths[members] % self.context_length // every
        owner = np.repeat(np.arange(members.size), counts)
        own = rng.integers(0, 2**32, owner.size)
        common = (self.cell[members][owner] * COMMON + rng.integers(0, COMMON // every, owner.size)) * 2654435761
        hashes = np.where(rng.random(owner.size) < 0.5, own, common) % (2**32 // every) * every
        keys = distinct_values(owner << 32 | hashes)
        found = StringSets(
            np.searchsorted(keys >> 32, np.arange(members.size + 1)).astype(np.int64),
            (keys & (2**32 - 1)).astype(np.uint32),
        )
        self.making.append(time.process_time() - begin)
        return found


def made_up(n: int, seed: int = 0) -> tuple[Neighbors, MadeUp]:
    """The neighbours [n, 20] of each of n documents, and these; n is a multiple of 200."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(n).reshape(-1, CELL)
    vectors = np.empty((n, DIMENSIONS), np.float16)
    found = Neighbors(np.empty((n, K), np.int64), np.empty((n, K), np.float32))
    for cell in ids:
        members = rng.standard_normal(DIMENSIONS) + SPREAD * rng.standard_normal((CELL, DIMENSIONS))
        members /= np.linalg.norm(members, axis=1, keepdims=True)
        cosine = members @ members.T
        np.fill_diagonal(cosine, -2)
        nearest = np.argsort(-cosine, axis=1)[:, :K]
        vectors[cell] = members
        found.neighbor[cell] = cell[nearest]
        found.cosine[cell] = np.take_along_axis(cosine, nearest, axis=1)
    lengths = np.maximum(rng.lognormal(6.3, 1.0, n), 1).astype(np.int64)
    cell = np.empty(n, np.int64)
    cell[ids] = np.arange(len(ids))[:, None]
    return found, MadeUp(from_neighbors(*found), vectors, lengths, CONTEXT_LENGTH, cell=cell)


def released(neighbor: NDArray[np.int64]) -> list[int]:
    """The order of the released loop."""
    seen: set[int] = set()
    unseen = set(range(len(neighbor)))
    runs: dict[int, list[int]] = defaultdict(list)
    run_of: dict[int, int] = {}
    run = length = 0
    current = unseen.pop()
    seen.add(current)
    runs[run].append(current)
    run_of[current] = run
    while unseen:
        following = next((k for k in neighbor[current, :NEAREST] if k not in seen), None)
        if following is None or length >= RUN:
            current = unseen.pop()
            run += 1
            length = 0
        else:
            current = following
            unseen.remove(current)
        runs[run].append(current)
        run_of[current] = run
        length += 1
        seen.add(current)
    for short, members in list(runs.items()):
        if len(members) >= RUN:
            continue
        for document in members:
            near = next((k for k in neighbor[document, :NEAREST] if run_of[k] != short), None)
            if near is not None:
                others = runs[run_of[near]]
                others.insert(others.index(near), document)
                run_of[document] = run_of[near]
        if any(run_of[document] != short for document in members):
            runs[short] = [document for document in members if run_of[document] == short]
    return [document for members in runs.values() for document in members]


def seconds(work: Callable[[], object], times: int = TIMES) -> float:
    """The least of so many times."""
    taken = []
    for _ in range(times):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def measure(n: int, with_contexts: bool) -> dict[str, float]:
    """Seconds of each step for n documents, and the peak of memory in GiB."""
    names = ["iclm", "path"] + ["contexts"] * with_contexts
    _, small = made_up(20 * CELL)
    for name in names:  # compiles
        find(name)(small, 0)
    found, documents = made_up(n)
    taken = {"graph": seconds(lambda: from_neighbors(*found))}
    for name in names:
        taken[name] = seconds(lambda name=name: find(name)(documents, 0), 1 if name == "contexts" else TIMES)
        taken[name] -= sum(documents.making)
        documents.making.clear()
        print(f"{n:,} documents: {name} {taken[name]:.2f} s", file=sys.stderr)
    if n == COMPARED_AT:
        taken["release"] = seconds(lambda: released(found.neighbor))
        print(f"{n:,} documents: released loop {taken['release']:.2f} s", file=sys.stderr)
    return {**taken, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def in_a_process(n: int, with_contexts: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.order", "--one", str(n)] + ["--with-contexts"] * with_contexts
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def figures(taken: dict[int, dict[str, float]]) -> dict[str, float]:
    found = {}
    for n, steps in taken.items():
        for name in ("graph", "iclm", "path", "contexts"):
            if name in steps:
                found[f"{name}_documents_per_s_{n}"] = round(n / steps[name])
        found[f"peak_gib_{n}"] = round(steps["peak_gib"], 2)
        if "release" in steps:
            for name, key in (("iclm", "order"), ("path", "path"), ("contexts", "contexts")):
                if name in steps:
                    ratio = steps["release"] / (steps["graph"] + steps[name])
                    found[f"{key}_vs_iclm_release"] = round(ratio, 2)
    for name in ("graph", "iclm", "path", "contexts"):
        sizes = [n for n in taken if name in taken[n]]
        if len(sizes) > 1:
            slowdown = math.log(taken[sizes[-1]][name] / taken[sizes[0]][name])
            found[f"growth_{name}"] = round(slowdown / math.log(sizes[-1] / sizes[0]), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,100000,1000000,10000000", help="multiples of 200, ascending")
    parser.add_argument("--contexts-up-to", type=int, default=COMPARED_AT, help="largest size for the order `contexts`")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--with-contexts", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.with_contexts)))
        return
    sizes = [int(size) for size in arguments.sizes.split(",")]
    print(json.dumps(figures({n: in_a_process(n, n <= arguments.contexts_up_to) for n in sizes})))


if __name__ == "__main__":
    main()

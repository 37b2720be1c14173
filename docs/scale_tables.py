"""The tables of docs/scale.md, by the code that announces and plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sequitur import beam_job
from sequitur.inspection.inputs_view import duration
from sequitur.inspection.scale import Machines, plan_at_scale
from sequitur.pipeline.config import validate
from sequitur.pipeline.progress import human
from sequitur.pipeline.runner import Runner

Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # head and rows
GIB = 2**30
BYTES = 4000  # of a document, 1,000 tokens
CORES = (100, 1000)
SIZES = {"the paper's": 235_000_000, "ten thousand million": 10_000_000_000}
MANY = 10**9
FROM, TO = 100_000, 1_000_000  # documents between which growth is told


@cache
def planned(documents: int) -> dict[str, Any]:
    """The default recipe, elsewhere than on this machine; of very many documents in larger parts."""
    part_bytes = "64 MiB" if documents > MANY else "8 MiB"
    ingest = {"inputs": ["planned.jsonl"], "part_bytes": part_bytes}
    config = validate({"output": "runs/planned", "ingest": ingest}, "docs")
    machines = [Machines(cores, 4 * GIB, 32, 256 * GIB, 0.05) for cores in CORES]
    return plan_at_scale(beam_job.RECIPE, config, documents, BYTES, machines, Runner(1, ["--runner=PortableRunner"]))


def growth() -> Table:
    """Of each stage, bytes a document: in the driver, shuffled, stored; and bytes of a worker."""
    few, many = (planned(documents)["stages"] for documents in (FROM, TO))
    rows = []
    for small, large in zip(few, many, strict=True):
        each = [(large[name] - small[name]) / (TO - FROM) for name in ("driver_memory", "shuffled", "stored")]
        rows.append((f"`{large['name']}`", *(f"{value:,.0f}" for value in each), human(large["worker_memory"])))
    return ("stage", "driver, bytes a document", "shuffled", "stored", "a worker's memory"), rows


def plans() -> Table:
    """Of each stage, for each of some sizes: core hours, the driver's time and memory, and time on so many cores."""
    rows = []
    for size, documents in SIZES.items():
        found = planned(documents)
        for stage in found["stages"]:
            times = (duration(one["seconds"][stage["name"]]) for one in found["machines"])
            told = (duration(stage["driver_seconds"]), human(stage["driver_memory"]), human(stage["shuffled"]))
            rows.append((size, f"`{stage['name']}`", f"{stage['core_seconds'] / 3600:,.0f}", *told, *times))
        in_all = (f"{duration(one['all_seconds'])}, {one['all_cost']:,.0f}" for one in found["machines"])
        rows.append((size, "in all", "", "", "", "", *in_all))
    head = ("documents", "stage", "core hours", "driver", "driver's memory", "shuffled")
    return (*head, *(f"on {cores:,} cores" for cores in CORES)), rows


def breaks() -> Table:
    """What a driver of 256 GiB and workers of 4 GiB a core lack for the largest size, the first to break first."""
    found = planned(max(SIZES.values()))["breaks"]
    rows = [(f"`{one['stage']}`", one["what"], f"{one['documents']:,}" if one["documents"] else "") for one in found]
    return ("stage", "what", "up to documents"), rows


TABLES: Mapping[str, Callable[[], Table]] = {"growth of stages": growth, "plans": plans, "what breaks": breaks}

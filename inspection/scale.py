"""What a job would take of so many documents on so many cores, and what breaks first: `sequitur plan`.

Bytes are what the stages announce themselves. Times are reckoned from rates that were measured on one core
(`inspection/plan.py`) and two assumptions: what a stage does on workers divides by their cores, and what its driver
does on threads by its own; the rest does not. Figures, and how far they were measured: docs/scale.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sequitur.inspection.plan import USUAL_BYTES_PER_TOKEN, planned, seconds_of
from sequitur.pipeline.config import Config
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import BASE_BYTES, Stage

NOWHERE = "runs/planned"
REQUESTS_OF_PART = 4  # to an object store, for a part that is read and one that is written: two each, measured
PARALLEL_PARTS = 4  # parts a core that a job must have, or else some cores wait for the last of them


@dataclass(frozen=True)
class Machines:
    """What there is to work on: memory in bytes, a price for a core and hour."""

    cores: int
    core_memory: int
    driver_cores: int
    driver_memory: int
    price: float


def plan_at_scale(
    recipe: Sequence[Stage],
    config: Config,
    documents: int,
    bytes_each: int,
    machines: Sequence[Machines],
    runner: Runner,
) -> dict[str, Any]:
    """What every stage would take.

    Args:
        recipe: the stages.
        config: the settings. No input is looked at.
        documents: that would be read; none is dropped.
        bytes_each: of text, on average.
        machines: some to choose from, in the order of their cores, with the same driver.
        runner: where jobs would run.

    Returns:
        `documents`, `text_bytes`, `tokens`; `stages`, of each its `name`, `core_seconds` on workers and
        `driver_seconds`, `driver_memory` and `worker_memory` (of one core), `stored`, `shuffled` (bytes), `requests`;
        `machines`, of each what it is, `seconds` and `cost` by stage and in all; `breaks`, what the machines do not
        have, the first to break first: `stage`, `what`, `needs`, `has` and about how many `documents` would go.
    """
    # Where the run will lie is not looked at, nor what other runs hold.
    config = config.model_copy(update={"output": NOWHERE, "select": config.select.model_copy(update={"against": []})})
    text_bytes, stages = documents * bytes_each, []
    tokens = round(text_bytes / USUAL_BYTES_PER_TOKEN)
    for stage, estimate, parts in planned(recipe, config, documents, text_bytes, tokens, runner):
        of_workers, of_driver, on_threads = seconds_of(stage.name, config, documents, text_bytes, runner)
        stages.append(
            {
                "name": stage.name,
                "core_seconds": of_workers,
                "driver_seconds": of_driver + on_threads / machines[-1].driver_cores,
                "driver_memory": BASE_BYTES + estimate.memory,
                "worker_memory": BASE_BYTES + estimate.each_worker,
                "stored": estimate.disk,
                "shuffled": estimate.shuffled,
                "requests": REQUESTS_OF_PART * parts,
                "parts": parts,
            }
        )
    return {
        "documents": documents,
        "text_bytes": text_bytes,
        "tokens": tokens,
        "stages": stages,
        "machines": [_on(stages, one) for one in machines],
        "breaks": _breaks(stages, machines[-1], documents),
    }


def _on(stages: Sequence[dict[str, Any]], machines: Machines) -> dict[str, Any]:
    """Cores are paid for while the driver works, too."""
    seconds = {
        one["name"]: one["core_seconds"] / min(machines.cores, max(1, one["parts"])) + one["driver_seconds"]
        for one in stages
    }
    cost = {name: value / 3600 * machines.cores * machines.price for name, value in seconds.items()}
    return {
        **asdict(machines),
        "seconds": seconds,
        "cost": cost,
        "all_seconds": sum(seconds.values()),
        "all_cost": sum(cost.values()),
    }


def _breaks(stages: Sequence[dict[str, Any]], machines: Machines, documents: int) -> list[dict[str, Any]]:
    found = []
    for one in stages:
        for what, needs, has in (
            ("memory of the driver", one["driver_memory"], machines.driver_memory),
            ("memory of a worker", one["worker_memory"], machines.core_memory),
        ):
            if needs > has:
                # A worker's part does not grow with the corpus, so fewer documents do not help there.
                grows = (needs - BASE_BYTES) / documents if what.endswith("driver") else 0
                go = int(max(has - BASE_BYTES, 0) / grows) if grows else 0
                found.append({"stage": one["name"], "what": what, "needs": needs, "has": has, "documents": go})
        busy = one["core_seconds"] / machines.cores
        if one["parts"] < PARALLEL_PARTS * machines.cores and busy > one["driver_seconds"]:
            found.append(
                {
                    "stage": one["name"],
                    "what": "parts for all cores",
                    "needs": PARALLEL_PARTS * machines.cores,
                    "has": one["parts"],
                    "documents": documents,
                }
            )
    return sorted(found, key=lambda one: (one["documents"], one["stage"]))

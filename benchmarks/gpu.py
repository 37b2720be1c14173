"""What one GPU does: it encodes, is given contexts from shards, and searches exact neighbours.

    python -m benchmarks.gpu [--seconds 420] [--parts encoding loader neighbors] [--device cuda] [sizes]

Needs no more than torch with CUDA, numpy, pyarrow and numba beside this repository. The sizes are for a card of the
class of an H200; `--device cpu` tries the script with small ones. `--seconds` is for all parts: what does not fit any
more is left out, and named under `skipped`. All seconds are by the clock, the device synchronised before and after.

encoding    A model of the size of all-MiniLM-L6-v2, random weights, made-up texts of 8 to 256 tokens.
            `encoding_module_…` is a plain module of torch given our batches (by length, 65,536 tokens each) from token
            ids, in bfloat16, as `embed` computes on a GPU, and in float32; and in float32 in batches of 32 by length,
            which is how sentence-transformers makes them. Where that is installed, `encoding_sequitur_…` is our
            encoder from text, and `encoding_sentence_transformers_…` its `encode` as it is, of the same model and
            texts; `encoding_vs_sentence_transformers` is the ratio. Tokens count without padding.
loader      Shards of random ids, as `pack` writes them, to int64 tensors on the device: by `ContextDataLoader` as it
            is (each worker checks a CRC-32 of what it touches first), `…_unverified`, and `…_without_workers`, in this
            process alone; and `plain`, by torch's DataLoader over a file of the same rows, mapped. Else as many
            workers, pinned memory, copies that do not wait. By turns; each pass starts new workers, the first is not
            counted. Rates are the median over passes, once the batches that were fetched ahead are there; bytes are
            those that reach the device. All have to give the same sum of ids. `loader_vs_plain` is the ratio.
neighbors   The 20 nearest of each of 10M made-up vectors of 384 dimensions, float16, by `exact_neighbors`, which
            begins and ends in host memory. Of a block of queries first, then of more and more, as they fit:
            `neighbors_queries` were timed, and where these are not all (`neighbors_scaled`) the rest is reckoned by
            what each query took more. `neighbors_fixed_seconds` is what no query takes: checking the vectors and
            copying them to the device. `neighbors_recall`, and `neighbors_equal_lists`, the share of lists that are
            the same in every place, are of 1,000 of the queries, by float64.

The last line of stdout is one JSON object, whatever failed: `failed` names the parts that did, and the exit is then 1.
"""

import argparse
import json
import os
import sys
import time
import traceback
from argparse import Namespace
from typing import Any

import torch

from benchmarks.gpu_parts import encoding, loader, neighbors

PARTS = {"encoding": encoding, "loader": loader, "neighbors": neighbors}
SHARES = {"encoding": 0.25, "loader": 0.25, "neighbors": 1.0}  # of the time that is left
SIZES = {  # on a card, and for a trial on a CPU
    "vectors": (10_000_000, 5_000),
    "dimensions": (384, 64),
    "texts": (100_000, 32),
    "megabytes": (512, 8),
    "context": (2048, 512),
    "batch": (64, 16),
}


def parsed(words: list[str] | None = None) -> Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=420, help="for all parts")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="to measure")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu for a trial")
    parser.add_argument("--vectors", type=int, help="to find neighbours of")
    parser.add_argument("--dimensions", type=int, help="of a vector")
    parser.add_argument("--texts", type=int, help="to encode")
    parser.add_argument("--layers", type=int, default=6, help="of the model that encodes them")
    parser.add_argument("--megabytes", type=int, help="of token ids to read")
    parser.add_argument("--context", type=int, help="tokens of a row")
    parser.add_argument("--batch", type=int, help="rows of a batch, a divisor of 1,024")
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="processes that read")
    parser.add_argument("--passes", type=int, default=3, help="over all rows, by each loader")
    known = parser.parse_args(words)
    for name, (card, trial) in SIZES.items():
        if getattr(known, name) is None:
            setattr(known, name, trial if known.device == "cpu" else card)
    if known.batch < 1 or 1024 % known.batch:
        parser.error(f"--batch {known.batch}: no divisor of 1,024, so the loaders would leave out different rows")
    return known


def measure(known: Namespace) -> dict[str, Any]:
    """The figures of all parts; one that fails is named, and the others are measured nevertheless."""
    until = time.monotonic() + known.seconds
    skipped: list[str] = []
    failed: dict[str, str] = {}
    figures: dict[str, Any] = machine(known.device)
    for name in known.parts:
        started = time.monotonic()
        try:
            share = SHARES[name] * (until - started) if name != known.parts[-1] else until - started
            figures |= PARTS[name](known, started + share, skipped)
        except Exception as error:  # a card is lent for minutes: what one part lacks must not cost the others
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {error}"
        figures[f"{name}_part_seconds"] = round(time.monotonic() - started, 1)
    return figures | {"skipped": skipped, "failed": failed}


def machine(device: str) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = {"device": device, "torch": torch.__version__, "cores": cores}
    if device == "cpu":
        return told | {"card": "none: a trial on a CPU"}
    card = torch.cuda.get_device_properties(device)
    return told | {"card": card.name, "card_gib": round(card.total_memory / 2**30, 1), "cuda": torch.version.cuda}


def main() -> None:
    known = parsed()
    if known.device != "cpu" and not torch.cuda.is_available():
        sys.exit(f"error: torch {torch.__version__} finds no CUDA device; give --device cpu for a trial on a CPU")
    figures = measure(known)
    print(json.dumps(figures))
    sys.exit(1 if figures["failed"] else 0)


if __name__ == "__main__":
    main()

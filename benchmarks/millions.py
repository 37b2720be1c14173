"""The whole job on millions of made-up documents: time and memory of each stage, against what it announced.

    python -m benchmarks.millions --output DIR [--documents 10000000] [--workers 2] [--set key=value …]

The corpus, `DIR/corpus.jsonl`, is about 300 bytes a document: topics of about 300 documents, from whose own words half
of a document's are; two documents in a hundred are copies of the one before and two more differ from it in one word.
The model is fitted, with 64 dimensions and as many of words, which is what 24 GiB hold of ten million; no rule but that
of duplicates drops anything.

What was begun goes on: run the same command again. Each stage prints one JSON object when it ends, and the last line
has them all: `STAGE_seconds`, `STAGE_peak_bytes` (proportional set size of all processes), `STAGE_announced_bytes`, and
`peak_vs_announced`, the largest ratio of the two. A stage that was done before is not in it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.job import peak_memory
from benchmarks.two_cores import words_of

VOCABULARY, LETTERS = 60_000, 6
TOPIC = 300  # documents
COPIES, EDITED = 0.02, 0.02
MEDIAN_WORDS, SPREAD, WORDS = 40, 0.4, (12, 400)
AT_ONCE = 100_000
EVERY = 2.0  # seconds: going through all pages of so much memory takes a part of one


def write_corpus(path: Path, documents: int) -> None:
    """Writes a corpus as JSONL; what another process sees is whole."""
    letters = np.random.default_rng(0).integers(97, 123, (VOCABULARY, LETTERS + 1), dtype=np.uint8)
    letters[:, LETTERS] = ord(" ")
    writing = path.with_suffix(".writing")
    with writing.open("wb") as file:
        for begin in range(0, documents, AT_ONCE):
            rng = np.random.default_rng([1, begin])
            size = min(AT_ONCE, documents - begin)
            topic = rng.integers(0, -(-documents // TOPIC), size)
            lengths = np.clip(rng.lognormal(np.log(MEDIAN_WORDS), SPREAD, size), *WORDS).astype(np.int64)
            offsets = np.append(0, np.cumsum(lengths))
            words = words_of(lengths, topic, rng, VOCABULARY)
            kind = rng.random(size)
            changed = rng.integers(0, VOCABULARY, size)
            lines, before = [], words[: offsets[1]]
            for row in range(size):
                own = words[offsets[row] : offsets[row + 1]]
                if kind[row] < COPIES + EDITED:
                    own = before.copy()
                    if kind[row] > COPIES:
                        own[len(own) // 2] = changed[row]
                text = letters[own].tobytes()[:-1]
                lines.append(b'{"id": "%d", "text": "%b"}\n' % (begin + row, text))
                before = own
            file.write(b"".join(lines))
    writing.rename(path)


def measure(directory: Path, documents: int, workers: int, overrides: list[str]) -> dict[str, float]:
    """Runs what is not done yet, stage by stage."""
    from sequitur import beam_job
    from sequitur.pipeline import artifacts, run_directory
    from sequitur.pipeline.config import load
    from sequitur.pipeline.progress import Progress
    from sequitur.pipeline.runner import Runner
    from sequitur.pipeline.stage import STATE, Run, wanted

    corpus = directory / "corpus.jsonl"
    if not corpus.exists():
        write_corpus(corpus, documents)
    content = {
        "output": str(directory / "run"),
        "ingest": {"inputs": [str(corpus)]},
        "annotate": {"signals": "needed"},
        "select": {"rules": "none", "alarm_share": 1.0},
        "embed": {"dimensions": 64, "lexical_dimensions": 64},
    }
    (directory / "settings.yaml").write_text(json.dumps(content))
    run = Run(load(directory / "settings.yaml", overrides), Runner(workers), Progress())
    figures: dict[str, float] = {}
    for stage in wanted(beam_job.RECIPE, run.config):
        if artifacts.read_manifest(run.artifact(stage.artifact)) is not None:
            continue
        started = time.monotonic()
        with peak_memory(every=EVERY) as peak:
            run_directory.execute(beam_job.RECIPE, run, stage.name, stage.name)
        about = {
            "seconds": round(time.monotonic() - started, 1),
            "peak_bytes": peak[0],
            "announced_bytes": (run.root / STATE).read_json(f"{stage.name}.json")["announced_bytes"],
        }
        print(json.dumps({"stage": stage.name, **about}), flush=True)
        figures |= {f"{stage.name}_{name}": value for name, value in about.items()}
    names = [name.removesuffix("_peak_bytes") for name in figures if name.endswith("_peak_bytes")]
    ratios = (figures[f"{name}_peak_bytes"] / figures[f"{name}_announced_bytes"] for name in names)
    figures["peak_vs_announced"] = round(max(ratios, default=0), 3)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="directory of the corpus and of the run")
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    known = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    known.output.mkdir(parents=True, exist_ok=True)
    print(json.dumps(measure(known.output, known.documents, known.workers, known.set)))


if __name__ == "__main__":
    main()

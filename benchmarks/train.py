"""Does an order help a model? Trains a small GPT (examples/train.py) on the same documents in several orders.

    python -m benchmarks.train [--corpus FILE] [--seeds N] [--minutes N | --tokens N | --epochs N] [--arms NAME,…]

Of the corpus (by default the documentation of the installed packages) the duplicates are removed, and groups of
documents that are near each other are kept out (benchmarks/train_held_out.py, which says what is asked about them). The
others are ordered and packed as each *arm* says; a model is trained on each, for each seed: the same first weights, as
many updates of as many contexts at the same learning rates, on one thread, as many models at a time as --workers says.
`iclm_stream` is In-Context Pretraining as published, on the graph of the model's own vectors. Models are evaluated with
full attention, those with document masks, too.

The last line of standard output is one JSON object:

* `arms`: by name `measures`, each with its `mean`, `error_seeds`, the standard error over seeds, and
  `error_documents`, that over what was asked; by position the same in lists. Then `targets`, tokens that one training
  predicted (padding is none), `rows`, contexts of all documents once, `passes`, how often one training read them, and
  `tokens_per_s` of training;
* `against`: by the name of another arm the differences of those measures, question by question and seed by seed: below
  0 a loss is lower than that arm's;
* `parameters`, `updates`, `documents`, `groups`, `questions` by kind, `bfloat16`, and `seconds` of all.

The updates of a training are those that all trainings together carry within --minutes, by the speed of a trial, so they
differ between machines, never between arms; --tokens says how many tokens instead, --epochs how often the documents are
read. Where that is twice, the arm `contexts_filled_epochs` reads two packings of them (`pack.epochs: 2`), the others
one packing twice; it and `contexts_whole` are not default ones. Evaluation is in float32, whatever training is in.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import shutil
import sys
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

import sequitur
from benchmarks.train_held_out import Group, Question, answers, hold_out, measures, questions, summary
from examples.train import Rank, Settings, new_model, train
from sequitur.corpora.python_docs import write_python_docs
from sequitur.graph_sort.packing import POLICIES
from sequitur.pipeline.sections import Embed
from sequitur.shards import ContextDataset
from sequitur.shards.manifest import read_manifest

FULL = "filled" if "filled" in POLICIES else "whole"  # the policy whose rows are fullest
REST = "rest.jsonl"  # what is not kept out
DEFAULT_ARMS = ("random_stream", "iclm_stream", f"contexts_{FULL}", "contexts_documents")
REFERENCES = ("random_stream", "iclm_stream", f"contexts_{FULL}")
HERE = Rank(0, 1, torch.device("cpu"))
TRIAL = 4  # updates, of which the first counts not
ASKED = 32  # questions of a trial


class Arm(NamedTuple):
    """How documents become contexts, and what a token sees of one."""

    strategy: str
    policy: str
    attention: str = "full"
    lexical_weight: float = float(Embed.model_fields["lexical_weight"].default)
    epochs: int = 1  # packings


ARMS = {
    "random_stream": Arm("random", "stream"),
    "iclm_stream": Arm("iclm", "stream", lexical_weight=0.0),
    "contexts_whole": Arm("contexts", "whole"),
    f"contexts_{FULL}": Arm("contexts", FULL),
    "contexts_documents": Arm("contexts", FULL, attention="document"),
    f"contexts_{FULL}_epochs": Arm("contexts", FULL, epochs=2),
}


class Trained(NamedTuple):
    """What one training came to."""

    measures: dict[str, NDArray[np.float64]]
    targets: int
    seconds: float  # without evaluation
    parameters: int


class Prepared(NamedTuple):
    """Shards of the same documents by arm, and what is to be asked."""

    shards: dict[str, Path]
    asked: dict[str, list[Question]]
    documents: int


def prepare(options: argparse.Namespace, work: Path) -> Prepared:
    """Two runs: one that finds duplicates and what to keep out, one of the rest, ordered and packed by each arm."""
    corpus = Path(options.corpus) if options.corpus else work / "corpus.jsonl.zst"
    if not options.corpus and not corpus.exists():
        write_python_docs(corpus, options.documents)
    first = {"output": str(work / "all"), "ingest": {"inputs": str(corpus)}, "seed": options.seed}
    run = sequitur.run(first, workers=options.workers, last="neighbors", progress=options.progress)
    documents = run.documents(["doc_id", "source", "text", "kept", "ordinal"])
    documents = documents.filter(documents["kept"])
    neighbors = run.artifact("neighbors").to_table(["ordinal", "neighbor"])
    groups, kept_out = hold_out(documents, neighbors, options.groups, options.related, options.seed)
    rest = documents.filter(pc.invert(pc.is_in(documents["ordinal"], pa.array(sorted(kept_out), pa.int64()))))
    rows = rest.select(["doc_id", "source", "text"]).rename_columns(["id", "source", "text"]).to_pylist()
    lines, file = "".join(json.dumps(row) + "\n" for row in rows), work / REST
    if not file.exists() or file.read_text() != lines:
        shutil.rmtree(work / "rest", ignore_errors=True)  # of other documents
        file.write_text(lines)
    shards = {name: arm_shards(options, work, name) for name in options.arms}
    return Prepared(shards, ask(options, work, groups, next(iter(shards.values()))), rest.num_rows)


def arm_shards(options: argparse.Namespace, work: Path, name: str) -> Path:
    """Shards of the rest as an arm has them. No rule and no duplicate takes another document away."""
    arm, place = ARMS[name], work / "shards" / name
    settings = {
        "output": str(work / "rest"),
        "ingest": {"inputs": str(work / REST)},
        "select": {"rules": "none", "exact_duplicates": False, "fuzzy_duplicates": False},
        "tokenize": {"vocabulary": options.vocabulary},
        "embed": {"lexical_weight": arm.lexical_weight},
        "neighbors": {"duplicate_cosine": 1.01},
        "order": {"strategy": arm.strategy},
        "pack": {"policy": arm.policy, "context_length": options.context_length, "epochs": arm.epochs},
        "seed": options.seed,
    }
    sequitur.run(settings, workers=options.workers, last="pack", progress=options.progress)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(work / "rest/shards", place)
    return place


def ask(options: argparse.Namespace, work: Path, groups: list[Group], shards: Path) -> dict[str, list[Question]]:
    """The questions, in the tokens of the shards."""
    tokenizer = Tokenizer.from_file(str(work / "rest/tokens/tokenizer.json"))
    ids = read_manifest(shards).header.special_ids
    end = ids.pad if ids.eos is None else ids.eos

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return questions(groups, encode, end, options.context_length, options.seed)


def seconds_of_update(options: argparse.Namespace, name: str, shards: Path, out: Path) -> float:
    """How long an update of an arm takes, at best: what else the machine does would make a training shorter."""
    settings = settings_of(options, name, shards, out, 1, TRIAL)
    return float(np.diff([time.monotonic() for _ in train(settings, HERE, new_model(settings, HERE))]).min())


def seconds_of_answers(options: argparse.Namespace, name: str, shards: Path, asked: list[Question]) -> float:
    """How long a model takes to be asked."""
    model = new_model(settings_of(options, name, shards, shards, 1, 1), HERE)
    began = time.monotonic()
    answers(model, asked)
    return time.monotonic() - began


def trained(options: argparse.Namespace, name: str, prepared: Prepared, work: Path, seed: int, updates: int) -> Trained:
    """A model of an arm, and what it says to what is asked."""
    settings = settings_of(options, name, prepared.shards[name], work / "models" / f"{name}-{seed}", seed, updates)
    model = new_model(settings, HERE)
    began = time.monotonic()
    targets = sum(step.targets for step in train(settings, HERE, model))
    taken = time.monotonic() - began
    parameters = sum(weight.numel() for weight in model.parameters())
    return Trained(measures(model, prepared.asked, options.bins), targets, taken, parameters)


def processes(options: argparse.Namespace) -> ProcessPoolExecutor:
    """Of one thread each: threads that wait for each other lose far more to whatever else the machine does."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(options.workers, spawn, torch.set_num_threads, (1,))


def rows_of_epochs(shards: Path) -> tuple[int, ...]:
    """How many contexts each epoch of the shards has."""
    dataset = ContextDataset(shards)
    return dataset.epoch_rows or (len(dataset),)


def updates_of(pool: Executor, options: argparse.Namespace, prepared: Prepared, work: Path, started: float) -> int:
    """How many updates a training has: of --tokens, of --epochs of the shards that have fewest rows, or what the
    minutes that are left carry, evaluation included."""
    of_update = options.batch * options.context_length
    if options.tokens:
        return max(1, options.tokens // of_update)
    if options.epochs:
        fewest = min(min(rows_of_epochs(shards)) for shards in prepared.shards.values())
        return max(1, options.epochs * (fewest // options.batch))
    outs = [work / "models/trial" / name for name in prepared.shards]
    shards, workers = prepared.shards, min(options.workers, len(prepared.shards))
    update = sum(pool.map(seconds_of_update, repeat(options), shards, shards.values(), outs)) / workers
    some = prepared.asked["rows"][:ASKED]
    every = sum(len(one.ids) for asked in prepared.asked.values() for one in asked) / sum(len(one.ids) for one in some)
    asking = sum(pool.map(seconds_of_answers, repeat(options), shards, shards.values(), repeat(some))) / workers * every
    left = options.minutes * 60 - (time.monotonic() - started)
    return max(1, int((left / options.seeds - asking) / update))


def settings_of(options: argparse.Namespace, name: str, shards: Path, out: Path, seed: int, updates: int) -> Settings:
    return Settings(
        data=str(shards), out=str(out), attention=ARMS[name].attention, layers=options.layers, heads=options.heads,
        width=options.width, steps=updates, batch=options.batch, micro_batch=options.micro_batch,
        learning_rate=options.learning_rate, warmup=max(1, updates // 10), seed=seed, checkpoint_every=updates,
        device="cpu", bfloat16=options.bfloat16,
    )  # fmt: skip


def figures(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All that is printed; see above."""
    started = time.monotonic()
    prepared = prepare(options, work)
    found: dict[str, list[dict[str, NDArray[np.float64]]]] = {name: [] for name in options.arms}
    arms: dict[str, dict[str, Any]] = {}
    parameters = 0
    shutil.rmtree(work / "models", ignore_errors=True)  # what an interrupted benchmark left is trained anew
    with processes(options) as pool:
        updates = updates_of(pool, options, prepared, work, started)
        # Seed by seed, so that what is interrupted has told of every arm.
        trainings = [(name, seed) for seed in range(1, options.seeds + 1) for name in prepared.shards]
        names, seeds = zip(*trainings, strict=True)
        told = pool.map(trained, repeat(options), names, repeat(prepared), repeat(work), seeds, repeat(updates))
        for (name, seed), one in zip(trainings, told, strict=True):
            found[name].append(one.measures)
            parameters = one.parameters
            rows = rows_of_epochs(prepared.shards[name])[0]
            passes = round(updates * options.batch / rows, 3)
            speed = round(one.targets / one.seconds)
            arms[name] = {"targets": one.targets, "rows": rows, "passes": passes, "tokens_per_s": speed}
            means = {measure: round(float(value.mean()), 4) for measure, value in one.measures.items()}
            print(f"{name}, seed {seed}, {time.monotonic() - started:.0f} s: {means}", file=sys.stderr, flush=True)
    stacked = {
        name: {measure: np.stack([one[measure] for one in of]) for measure in of[0]} for name, of in found.items()
    }
    for name, of in stacked.items():
        arms[name]["measures"] = {measure: summary(values) for measure, values in of.items()}
    against = {
        peer: {
            name: {measure: summary(values - stacked[peer][measure]) for measure, values in of.items()}
            for name, of in stacked.items()
            if name != peer
        }
        for peer in REFERENCES
        if peer in stacked
    }
    return {
        "arms": arms,
        "against": against,
        "parameters": parameters,
        "updates": updates,
        "documents": prepared.documents,
        "groups": options.groups,
        "questions": {name: len(some) for name, some in prepared.asked.items()},
        "seeds": options.seeds,
        "bfloat16": options.bfloat16,
        "seconds": round(time.monotonic() - started),
    }


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", help="input file, glob or directory; made of the installed packages if not given")
    parser.add_argument("--documents", type=int, help="documents of the corpus that is made; all if not given")
    names = ", ".join(ARMS)
    parser.add_argument("--arms", default=",".join(DEFAULT_ARMS), help=f"some of {names}; by default %(default)s")
    whole = {
        "seeds": (3, "models of each arm"),
        "minutes": (50, "that all takes, about, where --tokens is not given"),
        "tokens": (0, "tokens of a training, padding included"),
        "epochs": (0, "times that a training reads all documents, where --tokens is not given"),
        "context-length": (1024, "tokens of a context"),
        "vocabulary": (4096, "of the tokenizer, trained on the corpus"),
        "layers": (4, "of the model"),
        "heads": (4, "of the model"),
        "width": (192, "of the model"),
        "batch": (4, "contexts of an update"),
        "micro-batch": (4, "contexts at once"),
        "groups": (100, "groups of documents that are kept out, 3 at least"),
        "related": (4, "documents of a group beside the one that is asked about"),
        "bins": (8, "parts of a row in losses by position"),
        "seed": (0, "of what is kept out, and of the runs"),
        "workers": (2, "processes of the runs, and models that are trained at a time"),
    }
    for name, (default, text) in whole.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="highest (%(default)s)")
    parser.add_argument("--bfloat16", action="store_true", help="train in it, where the processor computes in it")
    parser.add_argument("--work", help="directory to keep, whose finished runs are not made again")
    parser.add_argument("--progress", action="store_true", help="tell of the runs")
    options = parser.parse_args(arguments)
    options.arms = options.arms.split(",")
    if unknown := set(options.arms) - ARMS.keys():
        parser.error(f"--arms: none is called {min(unknown)}; there are {', '.join(ARMS)}")
    return options


def main() -> None:
    logging.basicConfig(level=logging.CRITICAL)
    options = parsed()
    from sequitur.pipeline.errors import SequiturError

    try:
        with tempfile.TemporaryDirectory(prefix="sequitur-benchmark-") as scratch:
            work = Path(options.work or scratch)
            work.mkdir(parents=True, exist_ok=True)
            told = figures(options, work)
    except SequiturError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()

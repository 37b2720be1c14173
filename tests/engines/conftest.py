"""Clusters on the loopback, a corpus that asks much of them, and the run of one process that all others equal."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
import zstandard
from engine_runs import Cluster, end_of, started

from sequitur.corpora.python_docs import write_python_docs

HERE = Path(__file__).parent
DOCUMENTS, MODEL_WORDS, MODEL_DIMENSIONS = 300, 3000, 48
ALIKE = " ".join(f"Of {number} things the text says that they are alike in that each is one." for number in range(15))
ALIKES = 300  # documents that differ by a word, so that some band keys are hot


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for the tests of a file, started as its `CLUSTER` says: a program of this folder, and its options."""
    folder = tmp_path_factory.mktemp("cluster")
    program, *options = request.module.CLUSTER
    command = [sys.executable, str(HERE / program), str(folder), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdin
        assert keeper.stdout
        try:
            ready = json.loads(keeper.stdout.readline() or "null")
            assert ready, f"the cluster did not start; its logs are in {folder}"
            master = ready.pop("master", "")
            engine = folder / "engine.yaml"
            pool = {"runner": "PortableRunner", "environment_type": "EXTERNAL", "environment_cache_millis": 10_000}
            engine.write_text(yaml.safe_dump(pool | ready))
            yield Cluster(psutil.Process(keeper.pid), engine, master)
        finally:
            below = psutil.Process(keeper.pid).children(recursive=True)
            keeper.stdin.close()
            keeper.wait(timeout=60)
            assert not psutil.wait_procs(below, timeout=10)[1], "processes of the cluster are left"


@pytest.fixture(scope="session")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the configuration of a run over documentation of the installed packages: all that makes jobs is on."""
    folder = tmp_path_factory.mktemp("docs")
    corpus = folder / "python_docs.jsonl.zst"
    write_python_docs(corpus, DOCUMENTS)
    with zstandard.open(corpus, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    alike = [
        {"id": f"copy-{number}", "text": f"{ALIKE} The copy {number}.", "kind": "copy"} for number in range(ALIKES)
    ]
    (folder / "alike.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in alike))
    save_model(folder / "model", texts)
    (folder / "evaluation.txt").write_text(" ".join(max(texts, key=len).split()[:40]), encoding="utf-8")
    settings: dict[str, Any] = {
        "name": "python-docs",
        "seed": 3,
        "ingest": {"inputs": [str(corpus), str(folder / "alike.jsonl")], "part_bytes": 2**19},
        "refine": {"fix_unicode": True, "max_line_repeats": 60, "redact": ["email"]},
        "select": {"decontaminate": [str(folder / "evaluation.txt")], "in_memory_links": 0, "alarm_share": 1},
        "tokenize": {"vocabulary": 2000},
        "embed": {"model": str(folder / "model"), "device": "cpu", "lexical_weight": 0.3},
        "neighbors": {"method": "cells"},
        "families": {"by": ["kind"]},
        "pack": {"context_length": 512, "validation_share": 0.1, "shard_bytes": 2**20},
    }

    def write(output: Path) -> Path:
        path = output.with_suffix(".yaml")
        path.write_text(yaml.safe_dump({**settings, "output": str(output)}))
        return path

    return write


@pytest.fixture(scope="session")
def local(docs: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a run on this machine. Not to be changed."""
    root = tmp_path_factory.mktemp("local") / "run"
    with started("run", docs(root), "--workers", 1) as process:
        assert end_of(process)[0] == 0
    return root


def save_model(path: Path, texts: list[str]) -> None:
    """A sentence-transformers model that knows the commonest words of some texts: the mean of random vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    common = Counter(word for text in texts for word in text.lower().split()).most_common(MODEL_WORDS)
    vocabulary = {word: row for row, word in enumerate(["?", *(word for word, _ in common if word != "?")])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rows = np.random.default_rng(3).standard_normal((len(vocabulary), MODEL_DIMENSIONS)).astype(np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows)], device="cpu")
    model.save(str(path), create_model_card=False)

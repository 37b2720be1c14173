"""What is valid, to be damaged: a corpus that means no good, a finished run over it, its shards, models."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from benchmarks.hostile_bytes import MARKUP, TERMINAL
from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.stage import Run
from sequitur.shards.documents import read_documents
from sequitur.shards.manifest import read_manifest

DOCUMENTS = 90
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu")


class Base(NamedTuple):
    """A folder of valid things, which are copied before they are damaged."""

    root: Path

    @property
    def corpus(self) -> Path:
        return self.root / "corpus.jsonl"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def shards(self) -> Path:
        return self.root / "run/shards"

    @property
    def static_model(self) -> Path:
        return self.root / "static"

    @property
    def transformer(self) -> Path:
        return self.root / "transformer"

    def settings(self, output: Path) -> dict[str, Any]:
        """Of the run, in another place."""
        return settings(self.corpus, self.static_model, output)

    def placed(self) -> list[str]:
        """The record ids of documents in the shards."""
        manifest = read_manifest(self.shards)
        batches = read_documents(self.shards, manifest, ("doc_key", "record_id"))
        return [name for batch in batches for name in batch.column("record_id").to_pylist() if name]


def settings(corpus: Path, model: Path, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "ingest": {"inputs": [str(corpus)], "part_bytes": 2**14},
        "select": {"rules": "none"},
        "tokenize": {"vocabulary": 400},
        "embed": {"model": str(model), "device": "cpu", "lexical_weight": 0},
        "neighbors": {"k": 4},
        "pack": {"context_length": 64, "policy": "stream", "validation_share": 0.2, "shard_bytes": 2**14},
    }


def make(root: Path) -> Base:
    """All of it, below a directory."""
    base = Base(root)
    root.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    words = sorted({"".join(rng.choices(SYLLABLES, k=3)) for _ in range(400)})
    base.corpus.write_text("".join(json.dumps(one) + "\n" for one in _records(rng, words)))
    _static_model(words, base.static_model)
    _transformer(words, base.transformer)
    config: Config = validate(base.settings(base.run), "hostile")
    run_directory.execute(beam_job.RECIPE, Run(config))
    (root / "run.yaml").write_text(yaml.safe_dump(base.settings(base.run)))
    return base


def _records(rng: random.Random, words: list[str]) -> list[dict[str, Any]]:
    """Documents that would command a terminal, or put something into a page, were they shown as they are."""
    made: list[dict[str, Any]] = []
    for number in range(DOCUMENTS):
        text = " ".join(rng.choices(words, k=rng.randint(30, 90)))
        bad = rng.choice((TERMINAL, MARKUP, ""))
        one = {
            "id": f"r-{number}",
            "text": f"{bad} {text}",
            "source": f"web{bad}",
            "url": f"https://e.org/{number}{bad}",
        }
        made.append({**one, "title": f"Title {bad}", "license": f"MIT{bad}", f"more{bad}": bad})
    return [*made, {**made[3], "id": "copy"}]


def _static_model(words: list[str], path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding

    tokenizer = _tokenizer(words)
    rows = np.random.default_rng(3).standard_normal((len(words) + 4, 16)).astype(np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows)], device="cpu")
    model.save(str(path), create_model_card=False)


def _tokenizer(words: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: row for row, word in enumerate(["[UNK]", "[PAD]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _transformer(words: list[str], path: Path) -> None:
    """A BERT of a few thousand weights, with a pooling."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    network = path.with_name("network")
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=_tokenizer(words), model_max_length=64, **names).save_pretrained(network)
    config = BertConfig(
        vocab_size=len(words) + 4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(network)
    part = Transformer(str(network))
    pooling = Pooling(part.get_word_embedding_dimension())
    SentenceTransformer(modules=[part, pooling], device="cpu").save(str(path), create_model_card=False)
    shutil.rmtree(network)

"""Texts of all lengths get the vectors that the model gives them one by one, whatever computes it."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizerFast

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.sections import Embed
from sequitur.pipeline.stage import Run
from sequitur.stages.embed import stage as embed
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.models import choices, encoder_input, encoders
from sequitur.stages.shared.models.choices import decided

SEEN = 14  # tokens of a text that the model reads at a time, without the two special ones
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def transformer(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers with random weights, which knows the corpus's words."""
    path = tmp_path_factory.mktemp("transformer")
    words = [*SPECIAL, "Probe", "A", "text", "short", ",", ".", *corpus.words]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=SEEN + 2,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(path / "bert")
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(path / "bert")
    bert = Transformer(str(path / "bert"), max_seq_length=SEEN + 2)
    model = SentenceTransformer(modules=[bert, Pooling(32)], device="cpu")
    model.save(str(path / "model"), create_model_card=False)
    return path / "model"


@pytest.fixture(scope="module")
def texts(corpus: Any) -> list[str]:
    rng = random.Random(2)
    return ["", *(" ".join(rng.choices(corpus.words, k=count)) for count in rng.choices(range(1, 50), k=60)), " "]


@pytest.fixture
def prepared(transformer: Path, tmp_path: Path) -> Callable[..., encoders.Encoder]:
    """The model, prepared and loaded under other settings."""

    def load(**settings: Any) -> encoders.Encoder:
        chosen = Embed(model=str(transformer), device="cpu", **settings)
        encoders.prepare(chosen, tmp_path, decided(chosen))
        return encoders.load(chosen, chosen.model, tmp_path)

    return load


def one_by_one(transformer: Path, texts: list[str]) -> np.ndarray:
    model = SentenceTransformer(str(transformer), device="cpu")
    return np.stack([model.encode([text], normalize_embeddings=True)[0] for text in texts])


@pytest.mark.parametrize(
    ("backend", "precision", "tolerance"),
    [
        ("torch", "float32", 1e-5),
        ("torch", "bfloat16", 0.1),
        ("openvino", "float32", 1e-4),
        ("openvino", "bfloat16", 0.1),
        ("openvino", "int8", 0.1),
    ],
)
def test_sorted_batches_give_the_vectors_of_single_texts(
    prepared: Any, transformer: Path, texts: list[str], backend: str, precision: str, tolerance: float
) -> None:
    encoder = prepared(backend=backend, precision=precision)
    assert encoder.reader is not None
    assert encoder.dimensions == 32
    vectors = encoder.encode(texts)
    np.testing.assert_allclose(vectors, one_by_one(transformer, texts), atol=tolerance)
    np.testing.assert_array_equal(vectors, encoder.encode(texts))
    assert encoder.encode([]).shape == (0, 32)


def test_a_batch_size_changes_no_vector(prepared: Any, texts: list[str]) -> None:
    settings = {"backend": "torch", "precision": "float32"}
    vectors = prepared(**settings, batch_size=1).encode(texts)
    np.testing.assert_allclose(prepared(**settings, batch_size=7).encode(texts), vectors, atol=1e-5)


@pytest.mark.parametrize("mode", ["first_last", "mean"])
def test_long_documents(prepared: Any, transformer: Path, texts: list[str], mode: str) -> None:
    encoder = prepared(backend="torch", precision="float32", long_documents=mode)
    for text, vector in zip(texts, encoder.encode(texts), strict=True):
        words = text.split()
        if mode == "mean":
            parts = [words[start : start + SEEN] for start in range(0, max(1, len(words)), SEEN)]
        else:
            parts = [words] if len(words) <= SEEN else [words[:SEEN], words[-SEEN:]]
        weights = np.array([max(1, len(part)) for part in parts])[:, None]
        expected = (weights * one_by_one(transformer, [" ".join(part) for part in parts])).sum(axis=0)
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_only_so_many_characters_are_seen(prepared: Any, corpus: Any) -> None:
    words = corpus.words
    assert len({len(word) for word in words}) == 1  # so that cuts fall between words
    size = len(words[0]) + 1
    text = " ".join(words[:40])
    settings = {"backend": "torch", "precision": "float32", "max_characters": 20 * size}
    ends = prepared(**settings, long_documents="first_last")
    np.testing.assert_array_equal(ends.encode([text]), ends.encode([" ".join([*words[:10], *words[30:40]])]))
    whole = prepared(**settings, long_documents="mean")
    np.testing.assert_array_equal(whole.encode([text]), whole.encode([" ".join(words[:20])]))


def test_a_long_text_is_tokenised_in_pieces_that_lose_nothing(corpus: Any, prepared: Any) -> None:
    words = random.Random(4).choices(corpus.words, k=30_000)
    encoder = prepared(backend="torch", precision="float32", long_documents="mean", max_characters=10**7)
    rows, chunks = encoder_input.chunks(encoder.reader, ["", " ".join(words), "x" * 200_000], encoder.settings)
    assert np.bincount(rows).tolist()[:2] == [1, -(-len(words) // SEEN)]
    ids = np.concatenate([chunk for row, chunk in zip(rows, chunks, strict=True) if row == 1])
    assert encoder.reader.tokenizer.convert_ids_to_tokens(ids.tolist()) == words


def test_batches_hold_each_row_once_and_no_more_tokens_than_allowed() -> None:
    lengths = np.random.default_rng(0).integers(0, 40, 200)
    found = list(encoder_input.batches(lengths, 64))
    assert sorted(np.concatenate(found).tolist()) == list(range(200))
    assert all(
        len(batch) == 1 or len(batch) * lengths[batch].max() <= 64 or not lengths[batch].any() for batch in found
    )
    assert [len(batch) for batch in encoder_input.batches(lengths, 64, 70)] == [70, 70, 60]


def test_a_prompt_stands_before_each_text(transformer: Path, corpus: Any, tmp_path: Path) -> None:
    model = SentenceTransformer(str(transformer), device="cpu", prompts={"document": corpus.words[0] + " "})
    model.default_prompt_name = "document"
    model.save(str(tmp_path / "prompted"), create_model_card=False)
    encoder = encoders.load(Embed(device="cpu"), str(tmp_path / "prompted"))
    text = " ".join(corpus.words[3:8])
    np.testing.assert_allclose(
        encoder.encode([text]), one_by_one(transformer, [f"{corpus.words[0]} {text}"]), atol=1e-5
    )


def run_with(execute: Callable[..., Run], output: Path, model: Path, **settings: Any) -> Run:
    return execute(output, "embed", tokenize={"tokenizer": "bytes"}, embed={"model": str(model), **settings})


def test_the_exported_model_is_stored_and_used_again(
    execute: Callable[..., Run], transformer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(execute, tmp_path / "run", transformer, backend="openvino", precision="float32")
    statistics = run.manifest("vectors").statistics
    assert (statistics["backend"], statistics["precision"], statistics["not_finite"]) == ("openvino", "float32", 0)
    assert list(embed.verify(run)) == []
    before, manifest = StoredVectors(run.artifact("vectors"), own=False).all(), run.manifest("vectors")
    directory = run.artifact("vectors")
    builds.begin(directory, manifest.fingerprint)
    for part in manifest.parts[1:]:  # as if the run had been killed after its first part
        directory.remove(part.path)
    monkeypatch.setattr(encoders, "prepare", lambda *_: pytest.fail("exported again"))
    again = builds.finish(builds.current(directory), manifest.parameters, manifest.parents, embed.work(run))
    assert again.parts == manifest.parts
    np.testing.assert_array_equal(StoredVectors(run.artifact("vectors"), own=False).all(), before)


def test_a_run_that_is_moved_stays_what_it_is(
    execute: Callable[..., Run], transformer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(*, bfloat16: bool, openvino: bool) -> None:
        monkeypatch.setattr(choices, "computes_bfloat16", lambda _: bfloat16)
        monkeypatch.setattr(choices, "openvino_is_installed", lambda: openvino)

    def run(output: str, **settings: Any) -> Run:
        return run_with(execute, tmp_path / output, transformer, device="cpu", **settings)

    here(bfloat16=True, openvino=False)
    first = run("run").manifest("vectors")
    assert (first.statistics["backend"], first.statistics["precision"]) == ("torch", "bfloat16")
    here(bfloat16=False, openvino=True)
    other = run("other").manifest("vectors")
    assert (other.statistics["backend"], other.statistics["precision"]) == ("openvino", "float32")
    assert first.fingerprint != other.fingerprint  # for they hold other numbers
    assert run("run").manifest("vectors") == first
    part = first.parts[0]
    moved = run("run").artifact("vectors")
    moved.remove(part.path)
    with pytest.raises(ModelError, match=r"computed in bfloat16, for which this machine has no instructions"):
        run("run")  # rather than mix them
    here(bfloat16=True, openvino=True)
    assert run("run").manifest("vectors") == first
    here(bfloat16=False, openvino=True)
    again = run("run", precision="float32", backend="openvino").manifest("vectors")
    assert (again.fingerprint, again.parts) == (other.fingerprint, other.parts)  # whoever decides


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_a_parts_vectors_do_not_depend_on_what_else_a_worker_computed(
    prepared: Any, texts: list[str], backend: str
) -> None:
    """What makes the bytes the same for any number of workers, of which each has one thread."""
    worker = prepared(backend=backend, precision="auto")
    after_others = [worker.encode(part) for part in (texts[:20], texts[20:45], texts[45:])]
    alone = prepared(backend=backend, precision="auto").encode(texts[45:])
    np.testing.assert_array_equal(after_others[2], alone)


def damaged(transformer: Path, path: Path, row: int) -> Path:
    """The model with a word whose vector is not finite; at row 2 each text has it."""
    model = SentenceTransformer(str(transformer), device="cpu")
    model[0].auto_model.embeddings.word_embeddings.weight.data[row] = float("nan")
    model.save(str(path), create_model_card=False)
    return path


def test_a_model_that_gives_no_numbers_is_one_line(execute: Any, transformer: Path, tmp_path: Path) -> None:
    broken = damaged(transformer, tmp_path / "broken", 2)
    with pytest.raises(
        ModelError, match=r"broken: its vectors are not finite numbers in float32; set embed\.precision"
    ):
        run_with(execute, tmp_path / "run", broken, backend="torch", precision="float32")


def test_single_vectors_that_are_not_finite_are_counted(
    execute: Any, transformer: Path, corpus: Any, tmp_path: Path
) -> None:
    broken = damaged(transformer, tmp_path / "broken", len(SPECIAL) + 6)
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": corpus.words[row]}) + "\n" for row in (0, 1, 2)))
    sections = {"ingest": {"inputs": [str(path)]}, "select": {"rules": "none"}, "tokenize": {"tokenizer": "bytes"}}
    run = execute(tmp_path / "run", "embed", **sections, embed={"model": str(broken), "backend": "torch"})
    statistics = run.manifest("vectors").statistics
    assert (statistics["not_finite"], statistics["without_vector"]) == (1, 1)
    assert StoredVectors(run.artifact("vectors"), own=False).all().any(axis=1).tolist() == [False, True, True]


def test_a_model_that_has_changed_is_noticed(execute: Any, transformer: Path, tmp_path: Path, tiny_model: Path) -> None:
    run = run_with(execute, tmp_path / "run", transformer, backend="torch", precision="float32")
    directory, manifest = run.artifact("vectors"), run.manifest("vectors")
    other = run_with(execute, tmp_path / "other", tiny_model)
    builds.begin(directory, manifest.fingerprint)
    last = manifest.parts[-1].name
    part = {part.name: part for part in other.manifest("vectors").parts}[last]
    batch = artifacts.read_part(other.artifact("vectors"), part)
    builds.write_part(builds.current(directory), last, batch, compress=False)
    with pytest.raises(
        ModelError, match=r"has vectors of 48 dimensions, the parts before it of 32: the model has changed"
    ):
        embed.work(run)


def test_a_device_with_too_little_memory_is_one_line(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = prepared(backend="torch", precision="float32")

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(encoders, "_encode", fail)
    with pytest.raises(ModelError, match=r"too little memory for a batch; set embed\.batch_size"):
        encoder.encode(["a text"])


def test_code_in_a_local_model_is_not_run_untold(transformer: Path, tmp_path: Path) -> None:
    """Of a local directory sentence-transformers runs any class that a file names."""
    model, mark = shutil.copytree(transformer, tmp_path / "model"), tmp_path / "ran"
    (model / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Evil: ...\n")
    modules = json.loads((model / "modules.json").read_text())
    modules.append({"idx": 9, "name": "9", "path": "", "type": "evil.Evil"})
    (model / "modules.json").write_text(json.dumps(modules))
    settings = Embed(model=str(model), device="cpu")
    with pytest.raises(ModelError, match=r"modules\.json names evil\.Evil.*set embed\.trust_remote_code"):
        encoders.prepare(settings, tmp_path, decided(settings))
    assert not mark.exists()


def test_a_model_that_fails_is_told_by_name(transformer: Path, tmp_path: Path) -> None:
    model = shutil.copytree(transformer, tmp_path / "model")
    modules = json.loads((model / "modules.json").read_text())
    (model / "modules.json").write_text(json.dumps(modules[::-1]))  # pooled before there is anything to pool
    with pytest.raises(ModelError, match=r"embed\.model .*model: fails on a text"):
        encoders.load(Embed(model=str(model), device="cpu"), str(model))

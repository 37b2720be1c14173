"""`python -m benchmarks.gpu` on a CPU: its parts at their smallest, and what they are measured against."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import gpu, gpu_encoding, gpu_parts
from sequitur.graph_sort.neighbors import scan

ROOT = Path(__file__).parent.parent
SIZES = {
    "vectors": 700, "dimensions": 16, "texts": 16, "layers": 1, "megabytes": 2, "context": 256, "batch": 16,
    "workers": 1, "passes": 1,
}  # fmt: skip
SMALL = ["--device=cpu", *(f"--{name}={value}" for name, value in SIZES.items())]
ABSENT = {
    "apache_beam", "faiss", "fsspec", "pydantic", "rich", "scipy", "sentence_transformers", "sklearn", "threadpoolctl",
    "tokenizers", "transformers", "typer", "xxhash", "zstandard",
}  # fmt: skip
BARE = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in %r:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuse())
from benchmarks.gpu import main
main()
"""


def test_the_whole_of_it_where_little_is_installed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BARE % ABSENT, *SMALL], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (told["failed"], told["neighbors_recall"], told["neighbors_equal_lists"]) == ({}, 1, 1)
    assert (told["neighbors_queries"], told["neighbors_scaled"], told["loader_passes"]) == (700, False, 1)
    assert told["skipped"] == ["encoding: sentence-transformers, for sentence_transformers is not installed"]
    assert told["card"].startswith("none")
    for way in ("sequitur", "sequitur_unverified", "sequitur_without_workers", "plain"):
        assert told[f"loader_{way}_tokens_per_second"] > 0
    for way in ("module_bfloat16", "module_float32", "module_float32_batches_of_32"):
        assert told[f"encoding_{way}_texts"] == 16
    assert told["encoding_module_bfloat16_vs_float32_least_cosine"] > 0.99


def test_a_missing_card_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit, match=r"^error: torch .* finds no CUDA device; give --device cpu .*$"):
        gpu.main()


def test_a_part_that_fails_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> dict[str, Any]:
        raise ValueError("no memory")

    monkeypatch.setattr(gpu, "PARTS", {"loader": fails, "neighbors": lambda *_: {"found": 1}})
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--parts", "loader", "neighbors"])
    with pytest.raises(SystemExit, match="1"):
        gpu.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["failed"], told["found"]) == ({"loader": "ValueError: no memory"}, 1)


def test_batches_that_leave_rows_out_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        gpu.parsed(["--device", "cpu", "--batch", "48"])
    assert "--batch 48: no divisor of 1,024" in capsys.readouterr().err


def sizes(**changed: Any) -> Namespace:
    return Namespace(**vars(gpu.parsed(SMALL)) | changed)


@pytest.mark.parametrize(("seconds", "queries"), [(600, 700), (0, 32)])
def test_as_many_queries_as_fit(seconds: float, queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_parts, "QUERIES", 32)
    skipped: list[str] = []
    told = gpu_parts.neighbors(sizes(), time.monotonic() + seconds, skipped)
    assert (told["neighbors_queries"], told["neighbors_scaled"], len(skipped)) == (
        queries,
        queries < 700,
        queries < 700,
    )
    assert (told["neighbors_recall"], told["neighbors_equal_lists"]) == (1, 1)
    if queries < 700:
        each = told["neighbors_queries_seconds"] / queries  # rounded to a thousandth
        assert told["neighbors_seconds"] == pytest.approx(700 * each, rel=0.1, abs=700 * 0.001 / queries)


def test_a_query_takes_what_more_queries_took_more() -> None:
    assert gpu_parts.each_query(gpu_parts.Step(10, 5.0), gpu_parts.Step(30, 9.0)) == pytest.approx(0.2)
    assert gpu_parts.each_query(gpu_parts.Step(10, 5.0), gpu_parts.Step(10, 5.0)) == 0.5


def test_the_nearest_by_float64_are_those_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_parts, "ROWS", 100)
    vectors = gpu_parts.mixture(730, 24, "cpu")
    vectors[300:306] = vectors[7]  # equals, which go by their ids
    rows = np.array([0, 7, 299, 300, 305, 729])
    np.testing.assert_array_equal(
        gpu_parts.nearest(vectors, rows, "cpu"), scan(vectors, vectors[rows], rows, gpu_parts.K).neighbor
    )


def test_the_module_is_a_bert() -> None:
    from transformers import BertConfig, BertModel

    size = gpu_encoding.Size(layers=2, width=32, heads=4, inner=64, vocabulary=200, positions=40)
    bert = BertModel(
        BertConfig(
            vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=40, initializer_range=0.5,
        )
    ).eval()  # fmt: skip
    ours = gpu_encoding.Bert(size).eval()
    names = {
        "embeddings.word_embeddings": "words", "embeddings.position_embeddings": "positions",
        "embeddings.token_type_embeddings": "types", "embeddings.LayerNorm": "norm", "encoder.layer": "layers",
        "attention.self.": "", "attention.output.dense": "attended", "attention.output.LayerNorm": "attended_norm",
        "intermediate.dense": "inner", "output.dense": "outer", "output.LayerNorm": "outer_norm",
    }  # fmt: skip
    weights = {}
    for name, weight in bert.state_dict().items():
        for theirs, own in names.items():
            name = name.replace(theirs, own)
        weights[name] = weight
    ours.load_state_dict({name: weights[name] for name in ours.state_dict()})
    ids = torch.randint(200, (3, 40), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(40) < torch.tensor([[40], [23], [1]])).long()
    with torch.inference_mode():
        hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
        expected = torch.stack([row[: int(real.sum())].mean(0) for row, real in zip(hidden, mask, strict=True)])
        torch.testing.assert_close(ours(ids, mask), expected, rtol=1e-4, atol=1e-5)


def test_where_sentence_transformers_is_installed_both_give_the_same_vectors() -> None:
    skipped: list[str] = []
    told = gpu_parts.encoding(sizes(), time.monotonic() + 600, skipped)
    assert skipped == []
    assert told["encoding_sequitur_precision"] in ("float32", "bfloat16")
    assert told["encoding_vs_sentence_transformers"] > 0
    assert told["encoding_vs_sentence_transformers_least_cosine"] > 0.99

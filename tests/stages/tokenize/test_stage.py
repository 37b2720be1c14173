"""Tokens give back the text they came from, in the order of the ordinals, and no document can end another."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models

from sequitur.pipeline.errors import ModelError
from sequitur.pipeline.stage import Run
from sequitur.stages.tokenize import stage as tokenize
from sequitur.stages.tokenize.encoding import encode_bytes

Execute = Callable[..., Run]
TRICKY = ["One <|endoftext|> two", "<|endoftext|>", "ümlaut 漢字 🙂\n\ttab", "\x00 \u200b", "a" * 1000]


@pytest.fixture
def tokens(execute: Execute, rows: Any, tmp_path: Path) -> Callable[..., tuple[Run, list[list[int]]]]:
    """The run and the ids of the tricky texts."""

    def run(**options: Any) -> tuple[Run, list[list[int]]]:
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(TRICKY)))
        select = {"rules": "none", "fuzzy_duplicates": False}
        ingest = {"inputs": [str(path)], "part_bytes": 1}
        finished = execute(tmp_path / "run", "tokenize", ingest=ingest, select=select, tokenize=options)
        assert [row["ordinal"] for row in rows(finished, "tokens")] == list(range(len(TRICKY)))
        return finished, [row["input_ids"] for row in rows(finished, "tokens")]

    return run


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def test_bytes_are_the_text_and_an_end(tokens: Any) -> None:
    run, ids = tokens(tokenizer="bytes")
    assert [bytes(row[:-1]).decode() for row in ids] == TRICKY
    assert {row[-1] for row in ids} == {tokenize.BYTES_END}
    assert run.manifest("tokens").statistics["tokenizer"]["vocab_size"] == 257


def test_a_trained_tokenizer_gives_back_every_text(tokens: Any) -> None:
    run, ids = tokens(tokenizer="train", vocabulary=300, end_of_document="for given tokenizers alone")
    about = run.manifest("tokens").statistics["tokenizer"]
    tokenizer = Tokenizer.from_str(run.artifact("tokens").read_bytes("tokenizer.json").decode())
    assert (about["name"], about["end"]) == ("trained", tokenizer.token_to_id(tokenize.END_OF_DOCUMENT))
    assert about["vocab_size"] == tokenizer.get_vocab_size() <= 300
    assert [row.count(about["end"]) for row in ids] == [1] * len(TRICKY)
    assert [decode(tokenizer, row[:-1]) for row in ids] == TRICKY
    assert all(row[-1] == about["end"] for row in ids)


def test_training_is_deterministic(corpus: Any) -> None:
    texts = list(corpus.texts.values())
    assert tokenize.train(texts, 700).to_str() == tokenize.train(texts, 700).to_str()


def test_training_knows_only_the_seeded_sample(branch: Any) -> None:
    small = {"vocabulary": 600, "sample_bytes": 2000}
    runs = [branch(f"seed-{seed}", "tokenize", seed=seed, tokenize=small) for seed in (0, 1)]
    vocabularies = [run.artifact("tokens").read_bytes("tokenizer.json") for run in runs]
    assert vocabularies[0] != vocabularies[1]


def test_a_given_tokenizer_gives_the_tokens_it_gave_before(branch: Any, finished: Run, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    tokenizer = Tokenizer.from_str(finished.artifact("tokens").read_bytes("tokenizer.json").decode())
    tokenizer.enable_truncation(10)
    tokenizer.enable_padding(length=1000)
    tokenizer.save(str(given / "tokenizer.json"))
    run = branch("run", "tokenize", tokenize={"tokenizer": str(given)})
    assert run.manifest("tokens").fingerprint != finished.manifest("tokens").fingerprint
    assert run.manifest("tokens").parts == finished.manifest("tokens").parts  # checksums among them


def test_every_kept_document_has_its_tokens(finished: Run, rows: Any) -> None:
    tokenizer = Tokenizer.from_str(finished.artifact("tokens").read_bytes("tokenizer.json").decode())
    documents = zip(rows(finished), rows(finished, "selection"), strict=True)
    kept = [document["text"] for document, verdict in documents if verdict["kept"]]
    assert [decode(tokenizer, row["input_ids"][:-1]) for row in rows(finished, "tokens")] == kept
    assert list(tokenize.verify(finished)) == []


def test_a_missing_tokenizer_is_named_before_anything_runs(execute: Execute, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.json: no such file; correct tokenize\.tokenizer"):
        execute(tmp_path / "run", tokenize={"tokenizer": str(tmp_path / "nothing.json")})
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_tokenizer(tokens: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"model": ')
    with pytest.raises(ModelError, match=r"tokenize\.tokenizer .*broken\.json: cannot be loaded"):
        tokens(tokenizer=str(tmp_path / "broken.json"))


@pytest.mark.parametrize(
    ("named", "message"), [(None, "no token <|endoftext|> or "), ("<end>", "no token <end>; name")]
)
def test_a_tokenizer_without_an_end(tokens: Any, tmp_path: Path, named: str | None, message: str) -> None:
    Tokenizer(models.WordLevel({"?": 0}, unk_token="?")).save(str(tmp_path / "endless.json"))  # noqa: S106
    with pytest.raises(ModelError) as caught:
        tokens(tokenizer=str(tmp_path / "endless.json"), end_of_document=named)
    assert message in str(caught.value)


def test_bytes_of_slices_and_of_nothing() -> None:
    text = pa.array(["first", "sécond", "third"], pa.large_string())
    offsets, ids = encode_bytes(text.slice(1, 1))
    assert (offsets.tolist(), ids.tolist()) == ([0, 8], [*"sécond".encode(), 256])
    offsets, ids = encode_bytes(text.slice(1, 0))
    assert (offsets.tolist(), ids.tolist(), ids.dtype) == ([0], [], np.uint32)

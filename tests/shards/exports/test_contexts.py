"""The lines hold the texts of the contexts, and the tokenizer gives back their tokens where they can be had."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, write_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from sequitur.shards.exports import contexts as context_lines
from sequitur.shards.exports import export
from sequitur.shards.format import TOKENIZER_NAME


def lines(out: Path) -> list[dict[str, Any]]:
    info = json.loads((out / "dataset_info.json").read_text())["contexts"]
    assert info["columns"] == {"prompt": "text"}
    files = sorted((out / info["file_name"]).iterdir())
    assert {path.suffix for path in files} == {".jsonl"}  # by which LlamaFactory knows what they are
    return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]


def test_a_line_for_each_row_with_its_text_and_documents(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_lines, "SLICE_TOKENS", 3 * SEQ_LEN)  # no divisor of a batch
    report = export(dataset.root, "contexts", tmp_path / "out")
    contexts = dataset.contexts["train"]
    expected = []
    for row, length in enumerate(contexts.num_tokens.tolist()):
        begin, end = contexts.doc_offsets[row : row + 2]
        text = "".join(chr(token) if token < 256 else "\u2404" for token in contexts.input_ids[row, :length].tolist())
        expected.append({"text": text, "doc_ids": [f"{key:032x}" for key in contexts.doc_ids[begin:end].tolist()]})
    found = lines(tmp_path / "out")
    assert [line["doc_ids"] for line in found] == [line["doc_ids"] for line in expected]
    plain = [
        (a["text"], b["text"])
        for a, b in zip(found, expected, strict=True)
        if b["text"].replace("\u2404", "").isascii()  # others have characters of several bytes
    ]
    assert [one for one, _ in plain] == [other for _, other in plain]
    assert len(plain) > 10
    assert report.dropped_rows == {}
    assert report.row_digest == dataset.manifest.split("train").row_digest
    rows = zip(contexts.input_ids.tolist(), contexts.num_tokens.tolist(), strict=True)
    ended = sum(256 in row[:length] for row, length in rows)
    assert ended <= report.settings["rows_encoded_otherwise"] <= len(found)  # `bytes` has no text for the end
    assert report.settings["cutoff_len"] == SEQ_LEN


def test_a_tokenizer_gives_the_tokens_back(tmp_path: Path) -> None:
    """One token a byte, and a special one at the end of documents, whose text is encoded as itself."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    order = {bytes_to_unicode(letters)[byte]: byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab=order, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    assert tokenizer.token_to_id("<|end|>") == 256
    content = tokenizer.to_str().encode()
    info = replace(HEADER.tokenizer, name="trained", sha256=hashlib.sha256(content).hexdigest())
    dataset = write_dataset(tmp_path / "shards", header=replace(HEADER, tokenizer=info))
    (dataset.root / TOKENIZER_NAME).write_bytes(content)

    report = export(dataset.root, "contexts", tmp_path / "out")
    rows = dataset.contexts["train"]
    different = 0
    for line, ids, length in zip(lines(tmp_path / "out"), rows.input_ids, rows.num_tokens.tolist(), strict=True):
        encoded = tokenizer.encode(line["text"], add_special_tokens=False).ids
        different += not np.array_equal(encoded, ids[:length])
    assert report.settings["rows_encoded_otherwise"] == different
    assert different <= 2  # rows that a character of several bytes is cut by


def bytes_to_unicode(letters: list[str]) -> dict[int, str]:
    """Which letter stands for which byte in byte-level vocabularies: printable ones for themselves."""
    own = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    found = {byte: chr(byte) for byte in own} | {byte: chr(256 + number) for number, byte in enumerate(others)}
    assert sorted(found.values()) == letters
    return found

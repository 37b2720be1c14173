"""A manifest survives its text, and is refused by name when it is missing, foreign, forged or contradicts itself."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_dataset import Dataset

from sequitur.shards.errors import (
    FileUnreadable,
    FingerprintMismatch,
    FormatUnsupported,
    ManifestCorrupt,
    ManifestInvalid,
    ManifestMissing,
    PathEscape,
    SplitUnknown,
)
from sequitur.shards.json_files import checksummed_json, from_json
from sequitur.shards.manifest import ShardEntry, manifest_json, parse_manifest, read_manifest


def test_round_trip(dataset: Dataset) -> None:
    assert read_manifest(dataset.root) == dataset.manifest
    assert manifest_json(parse_manifest(manifest_json(dataset.manifest))) == manifest_json(dataset.manifest)
    assert dataset.manifest.split("val") is dataset.manifest.splits["val"]


def test_keys_of_the_contract_are_at_the_top_level(dataset: Dataset) -> None:
    content = json.loads(manifest_json(dataset.manifest))
    assert content["format"] == "sequitur-arrow"
    assert content["seq_len"] == 16
    assert list(content["splits"]) == ["train", "val"]
    assert set(content["splits"]["train"]["shards"][0]["batches"][0]) == {"offset", "bytes", "rows", "crc32"}


def test_entries_travel_as_json(dataset: Dataset) -> None:
    entry = dataset.manifest.splits["train"].shards[0]
    assert from_json(ShardEntry, json.loads(json.dumps(dataclasses.asdict(entry)))) == entry


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ManifestMissing, match=r"manifest\.json is missing"):
        read_manifest(tmp_path)


def test_unknown_split_names_the_known(dataset: Dataset) -> None:
    with pytest.raises(SplitUnknown, match=r"no split 'test'.*train, val"):
        dataset.manifest.split("test")


EMPTY = {"rows": 0, "tokens": 0, "docs": 0, "row_digest": "0" * 32, "shards": []}


def set_shard(key: str, value: Any) -> Callable[[dict], None]:
    return lambda content: content["splits"]["train"]["shards"][0].__setitem__(key, value)


def set_batch(key: str, value: Any) -> Callable[[dict], None]:
    return lambda content: content["splits"]["train"]["shards"][0]["batches"][1].__setitem__(key, value)


def set_top(key: str, value: Any) -> Callable[[dict], None]:
    return lambda content: content.__setitem__(key, value)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (set_top("format_version", 2), FormatUnsupported, "format_version is 2"),
        (set_top("format", "parquet"), FormatUnsupported, "format is 'parquet'"),
        (set_top("container", "ipc_file"), FormatUnsupported, "container"),
        (set_top("seq_len", "16"), ManifestInvalid, "seq_len should be int, found str"),
        (set_top("seq_len", True), ManifestInvalid, "seq_len should be int, found bool"),
        (set_top("splits", []), ManifestInvalid, "splits should be dict, found list"),
        (set_top("fingerprint", "0" * 64), FingerprintMismatch, "fingerprint"),
        (set_top("attention_default", "document"), FingerprintMismatch, "fingerprint"),
        (set_shard("sha256", "0" * 64), FingerprintMismatch, "fingerprint"),
        (set_shard("rows", 11), ManifestInvalid, "do not add up"),
        (set_shard("tokens", 1), ManifestInvalid, "is not the sum over its shards"),
        (set_shard("row_digest", "zz"), ManifestInvalid, "row_digest"),
        (set_shard("path", "../../etc/passwd"), PathEscape, "etc/passwd"),
        (set_shard("path", "/etc/passwd"), PathEscape, "etc/passwd"),
        (set_shard("path", "train/../../x"), PathEscape, "not a plain path"),
        (set_shard("path", "train\\..\\x"), PathEscape, "not a plain path"),
        (set_shard("path", "val/data-00000-of-00001.arrow"), PathEscape, "folder of its split"),
        (set_batch("offset", 0), ManifestInvalid, "batch 1: is empty, or overlaps"),
        (set_batch("offset", -8), ManifestInvalid, "-8"),
        (set_batch("bytes", 1 << 40), ManifestInvalid, "overlaps|do not add up"),
        (lambda content: content["splits"].__setitem__("../x", EMPTY), PathEscape, "x"),
        (lambda content: content.pop("order"), ManifestInvalid, "manifest.json has no 'order'"),
        (
            lambda content: content["docs_table"][0].__setitem__("path", "../docs.parquet"),
            PathEscape,
            "docs.parquet",
        ),
    ],
)
def test_refused(dataset: Dataset, edit: Callable[[dict], None], error: type[Exception], message: str) -> None:
    content = json.loads(manifest_json(dataset.manifest))
    edit(content)
    with pytest.raises(error, match=message):
        parse_manifest(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "{}", "[" * 100_000])
def test_not_a_manifest(text: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(text)


def test_an_unknown_key_is_ignored(dataset: Dataset) -> None:
    content = json.loads(manifest_json(dataset.manifest)) | {"note": "added later"}
    with pytest.raises(ManifestCorrupt, match="checksum"):
        parse_manifest(json.dumps(content))
    del content["checksum"]
    for text in (checksummed_json(content), json.dumps(content)):
        assert parse_manifest(text) == dataset.manifest


def test_every_key_is_covered_by_the_checksum(dataset: Dataset) -> None:
    content = json.loads(manifest_json(dataset.manifest))
    for key in ("created_by", "run_id", "config_sha256"):
        with pytest.raises(ManifestCorrupt, match=r"manifest\.json: its checksum"):
            parse_manifest(json.dumps(content | {key: "another"}))


def test_contexts_taken_out(dataset: Dataset) -> None:
    content = json.loads(manifest_json(dataset.manifest))
    del content["checksum"]
    rows = dataset.manifest.splits["train"].rows
    content["order"]["contexts"] = {"train": rows + 1}
    assert parse_manifest(json.dumps(content)).order.contexts == {"train": rows + 1}
    for count in (rows - 1, 1 << 63 | 1):
        content["order"]["contexts"] = {"train": count}
        with pytest.raises(ManifestInvalid, match="more rows than its order had contexts"):
            parse_manifest(json.dumps(content))


@pytest.mark.parametrize("instead", ["pipe", "folder", "itself"])
def test_what_is_no_file_is_not_read(tmp_path: Path, instead: str) -> None:
    path = tmp_path / "manifest.json"
    {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "itself": lambda: path.symlink_to(path)}[instead]()
    with pytest.raises(FileUnreadable, match=r"manifest\.json: cannot be read"):
        read_manifest(tmp_path)

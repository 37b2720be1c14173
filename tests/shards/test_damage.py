"""Any damage to any file of a dataset is found, and named by kind and place: 1,000 cases of it, drawn by seed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from example_dataset import HEADER, write_dataset

from sequitur.shards.errors import (
    FileUnlisted,
    FingerprintMismatch,
    FormatUnsupported,
    HubFilesMismatch,
    ManifestCorrupt,
    ManifestInvalid,
    ManifestMissing,
    PathEscape,
    ShardCorrupt,
    ShardError,
    ShardMisplaced,
    ShardMissing,
    ShardTruncated,
    TokenizerMismatch,
)
from sequitur.shards.families import dataset_entry, families_json, router_file
from sequitur.shards.manifest import Manifest, ShardEntry
from sequitur.shards.salvage.salvaging import salvage
from sequitur.shards.verify import verify

MANIFEST = (ManifestInvalid, ManifestCorrupt, FormatUnsupported, FingerprintMismatch, PathEscape)
TOKENIZER = b'{"model": "made up"}'


class Target(NamedTuple):
    """A directory of one family: every kind of file that the format has."""

    root: Path
    manifest: Manifest
    content: dict[str, bytes]  # by path, all files
    changed: set[str]

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).write_bytes(content)
        self.changed.add(path)

    def restore(self) -> None:
        for path in self.changed:
            if path in self.content:
                (self.root / path).write_bytes(self.content[path])
            else:
                (self.root / path).unlink()
        self.changed.clear()

    def shards(self) -> list[ShardEntry]:
        return [
            dataclasses.replace(shard, path=f"web/{shard.path}")
            for split in self.manifest.splits.values()
            for shard in split.shards
        ]


Expected = list[tuple[type[ShardError] | tuple[type[ShardError], ...], str, int | None, int | None]]
Damage = Callable[[Target, np.random.Generator], Expected]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    root = tmp_path_factory.mktemp("damage") / "dataset"
    tokenizer = dataclasses.replace(HEADER.tokenizer, name="trained", sha256=hashlib.sha256(TOKENIZER).hexdigest())
    header = dataclasses.replace(HEADER, tokenizer=tokenizer)
    manifest = write_dataset(root / "web", header=header, train_docs=15, docs_files=2).manifest
    (root / "web/tokenizer.json").write_bytes(TOKENIZER)
    (root / "router").mkdir()
    (root / "router/router.json").write_bytes(b"{}")
    listed = families_json([dataset_entry("web", "web", manifest)], [router_file("router/router.json", b"{}")])
    (root / "families.json").write_text(listed)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return Target(root, manifest, files, set())


def any_file(target: Target, rng: np.random.Generator) -> str:
    """Shards twice as often as the rest."""
    paths = sorted(target.content)
    return str(rng.choice(paths + [path for path in paths if path.endswith(".arrow")]))


def kind_of(path: str, shard: type[ShardError]) -> type[ShardError] | tuple[type[ShardError], ...]:
    """What damage to a file is called that `shard` names in a shard, or another file with a hash."""
    if path.endswith(("manifest.json", "families.json")):
        return MANIFEST
    if path.endswith("tokenizer.json"):
        return TokenizerMismatch
    return HubFilesMismatch if path.endswith(("state.json", "dataset_info.json")) else shard


def place_of(target: Target, path: str, offset: int) -> tuple[int | None, int | None]:
    """Batch and byte offset that an error about this byte of a shard names."""
    (shard,) = (shard for shard in target.shards() if shard.path == path)
    for number, batch in enumerate(shard.batches):
        if batch.offset <= offset < batch.offset + batch.bytes:
            return number, batch.offset
    return None, 0 if offset < shard.batches[0].offset else batch.offset + batch.bytes


def flip(target: Target, rng: np.random.Generator) -> Expected:
    path = any_file(target, rng)
    content = bytearray(target.content[path])
    offset = int(rng.integers(len(content)))
    content[offset] ^= int(rng.integers(1, 256))
    target.write(path, bytes(content))
    if path.endswith(".arrow"):
        return [(ShardCorrupt, path, *place_of(target, path, offset))]
    return [(kind_of(path, ShardCorrupt), path, None, offset if "state" in path or "info" in path else None)]


def blank(target: Target, rng: np.random.Generator) -> Expected:
    """A stretch of one batch, as a lost disk block leaves it."""
    shard = target.shards()[int(rng.integers(len(target.shards())))]
    number = int(rng.integers(len(shard.batches)))
    batch = shard.batches[number]
    content = bytearray(target.content[shard.path])
    content[batch.offset + 4 : batch.offset + batch.bytes // 2] = bytes(batch.bytes // 2 - 4)
    target.write(shard.path, bytes(content))
    return [(ShardCorrupt, shard.path, number, batch.offset)]


def cut(target: Target, rng: np.random.Generator) -> Expected:
    path = any_file(target, rng)
    size = int(rng.integers(len(target.content[path])))
    target.write(path, target.content[path][:size])
    offset = size if not path.endswith(("manifest.json", "families.json", "tokenizer.json")) else None
    return [(kind_of(path, ShardTruncated), path, None, offset)]


def cut_at_batch(target: Target, rng: np.random.Generator) -> Expected:
    shard = target.shards()[int(rng.integers(len(target.shards())))]
    offset = shard.batches[int(rng.integers(len(shard.batches)))].offset
    target.write(shard.path, target.content[shard.path][:offset])
    return [(ShardTruncated, shard.path, None, offset)]


def lengthen(target: Target, rng: np.random.Generator) -> Expected:
    path = any_file(target, rng)
    target.write(path, target.content[path] + rng.bytes(int(rng.integers(1, 99))))
    offset = len(target.content[path]) if path.endswith((".arrow", ".parquet")) else None
    return [(kind_of(path, ShardCorrupt), path, None, offset)]


def remove(target: Target, rng: np.random.Generator) -> Expected:
    path = any_file(target, rng)
    (target.root / path).unlink()
    target.changed.add(path)
    if path == "families.json":
        return [(ManifestMissing, "", None, None)]
    kind = ManifestMissing if path.endswith("manifest.json") else kind_of(path, ShardMissing)
    return [(kind, path, None, None)]


def swap(target: Target, rng: np.random.Generator) -> Expected:
    ending = str(rng.choice([".arrow", ".arrow", ".parquet"]))
    paths = [path for path in sorted(target.content) if path.endswith(ending)]
    first, second = (str(path) for path in rng.choice(paths, 2, replace=False))
    target.write(first, target.content[second])
    target.write(second, target.content[first])
    return [(ShardMisplaced, path, None, None) for path in (first, second)]


def double(target: Target, rng: np.random.Generator) -> Expected:
    paths = [path for path in sorted(target.content) if path.endswith(".arrow")]
    first, second = (str(path) for path in rng.choice(paths, 2, replace=False))
    target.write(first, target.content[second])
    return [(ShardMisplaced, first, None, None)]


def swap_batches(target: Target, rng: np.random.Generator) -> Expected:
    shards = [shard for shard in target.shards() if len(shard.batches) > 1]
    shard = shards[int(rng.integers(len(shards)))]
    first, second = shard.batches[:2]
    content = target.content[shard.path]
    messages = [content[batch.offset : batch.offset + batch.bytes] for batch in (second, first)]
    middle = content[: first.offset] + b"".join(messages) + content[second.offset + second.bytes :]
    target.write(shard.path, middle)
    return [(ShardCorrupt, shard.path, number, shard.batches[number].offset) for number in (0, 1)]


def forge_path(target: Target, rng: np.random.Generator) -> Expected:
    forged = str(rng.choice(["../../etc/passwd", "/etc/passwd", "train/../../x", "..", "train\\x", "", "train//x"]))
    content = json.loads(target.content["web/manifest.json"])
    entries = [*content["docs_table"], *(shard for split in content["splits"].values() for shard in split["shards"])]
    entries[int(rng.integers(len(entries)))]["path"] = forged
    target.write("web/manifest.json", json.dumps(content).encode())
    return [(PathEscape, "web/manifest.json", None, None)]


def edit_manifest(target: Target, rng: np.random.Generator) -> Expected:
    """One number, anywhere, as an edit by hand would; written as the writer would."""
    content = json.loads(target.content["web/manifest.json"])
    places = list(numbers(content))
    parent, key = places[int(rng.integers(len(places)))]
    parent[key] += int(rng.integers(1, 1000))
    target.write("web/manifest.json", (json.dumps(content, sort_keys=True, indent=1) + "\n").encode())
    return [(MANIFEST, "web/manifest.json", None, None)]


def numbers(value: object) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in items:
        found += [(value, key)] if type(item) in (int, float) else numbers(item)
    return found


def stray(target: Target, rng: np.random.Generator) -> Expected:
    path = str(
        rng.choice(["web/train/data-00009-of-00010.arrow", "web/docs/x.txt", "web/x.parquet", "router/x", "x.arrow"])
    )
    target.write(path, rng.bytes(8))
    return [(FileUnlisted, path, None, None)]


DAMAGES: list[tuple[Damage, int]] = [
    (flip, 500),
    (blank, 50),
    (cut, 100),
    (cut_at_batch, 50),
    (lengthen, 50),
    (remove, 50),
    (swap, 50),
    (double, 25),
    (swap_batches, 25),
    (forge_path, 50),
    (edit_manifest, 40),
    (stray, 10),
]


def test_a_thousand_cases() -> None:
    assert sum(cases for _, cases in DAMAGES) == 1000


def test_nothing_is_wrong_before(target: Target) -> None:
    assert verify(target.root) == verify(target.root, full=False) == []


@pytest.mark.parametrize(("damage", "cases"), DAMAGES, ids=lambda value: getattr(value, "__name__", None))
def test_damage_is_found_and_named(target: Target, damage: Damage, cases: int) -> None:
    for case in range(cases):
        expected = damage(target, np.random.default_rng([case, cases]))
        try:
            found = verify(target.root)
        finally:
            target.restore()
        where = (damage.__name__, case, [repr(problem) for problem in found])
        assert len(found) == len(expected), where
        by_place = sorted(found, key=lambda problem: (problem.shard or "", problem.batch or 0))
        for problem, (kind, path, batch, offset) in zip(by_place, sorted(expected, key=lambda e: e[1:3]), strict=True):
            assert isinstance(problem, kind), where
            assert type(problem) in (kind if isinstance(kind, tuple) else (kind,)), where
            if path.endswith("manifest.json"):
                assert (problem.shard or "").startswith("web"), where
            elif path not in ("", "families.json"):
                assert problem.shard == path, where
            if (batch, offset) != (None, None):
                assert (problem.batch, problem.offset) == (batch, offset), where


def test_a_look_at_damage_ends_in_named_problems(target: Target) -> None:
    """Without reading every byte less is found, but what is parsed unchecked does no harm."""
    for case in range(100):
        rng = np.random.default_rng([case, 0])
        damage = (flip, blank, cut, lengthen)[case % 4]
        damage(target, rng)
        try:
            assert all(isinstance(problem, ShardError) for problem in verify(target.root, full=False))
        finally:
            target.restore()


def test_whatever_is_salvaged_is_sound(target: Target, tmp_path: Path) -> None:
    refused = 0
    for case in range(36):
        damage = [damage for damage, _ in DAMAGES][case % len(DAMAGES)]
        damage(target, np.random.default_rng([case, 0]))
        try:
            salvage(target.root, tmp_path / str(case))
        except ShardError:
            refused += 1
        else:
            assert verify(tmp_path / str(case)) == []
        finally:
            target.restore()
    assert 0 < refused < 18

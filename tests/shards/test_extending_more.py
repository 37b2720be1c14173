"""What is done with an extended dataset: states of before taken up, documents removed, damage found and saved."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from example_dataset import HEADER, Dataset, write_dataset
from extended_dataset import FIRST, SECOND

from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler
from sequitur.shards.documents import read_documents
from sequitur.shards.errors import DocsInvalid, ManifestInvalid
from sequitur.shards.extending import extend
from sequitur.shards.find import Query, find
from sequitur.shards.manifest import manifest_json, parse_manifest, read_manifest
from sequitur.shards.removal.removing import remove
from sequitur.shards.salvage.salvaging import salvage
from sequitur.shards.sampler import StateMismatch
from sequitur.shards.verify import verify


@pytest.mark.parametrize("tail", ["drop", "pad", "wrap"])
@pytest.mark.parametrize("shuffle", ["global", "block", "none"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_from_before_reads_every_row_of_its_epoch_once(
    copy: Dataset, additions: list[Dataset], shuffle: str, tail: str, workers: int
) -> None:
    def loader() -> ContextDataLoader:
        dataset = ContextDataset(copy.root, return_provenance=True)
        options = {"shuffle": shuffle, "tail": tail, "block_size": 4 if shuffle == "block" else None}
        sampler = ElasticBatchSampler.of(dataset, 3, seed=9, **options)
        return ContextDataLoader(dataset, sampler, num_workers=workers)

    def read(one: ContextDataLoader, most: int) -> list[int]:
        rows: list[int] = []
        for number, batch in enumerate(one, 1):
            rows += batch["context_id"].tolist()
            if number == most:
                break
        return rows

    undisturbed, begun = loader(), loader()
    old = read(undisturbed, 1000)
    seen, states = read(begun, 4), []
    states.append(begun.state_dict())
    for addition, first in zip(additions, (FIRST, SECOND), strict=True):
        extend(copy.root, addition.root, first)
        again = loader()
        again.load_state_dict(json.loads(json.dumps(states[-1])))
        seen += read(again, 2)
        states.append(again.state_dict())
        assert again.sampler.epoch == 0
    again = loader()
    again.load_state_dict(json.loads(json.dumps(states[-1])))
    seen += read(again, 1000)

    n = len(copy.contexts["train"].num_tokens)
    whole = len(again.dataset)
    assert seen[: n - n % 3] == old[: n - n % 3], "the old rows, as if nothing had happened"
    left_out = whole % 3 if tail == "drop" else 0
    assert len(seen) == (whole // 3 + (tail != "drop" and whole % 3 > 0)) * 3
    assert len(set(seen)) == whole - left_out
    assert again.sampler.epoch == 1
    assert "began" not in again.state_dict()
    fresh = loader()
    fresh.set_epoch(1)
    assert read(again, 1000) == read(fresh, 1000)


def test_states_of_other_data_are_refused(copy: Dataset, additions: list[Dataset]) -> None:
    dataset = ContextDataset(copy.root)
    state = ContextDataLoader(dataset, ElasticBatchSampler.of(dataset, 2)).state_dict() | {"samples_seen": 4}
    extend(copy.root, additions[0].root, FIRST)
    dataset = ContextDataset(copy.root)
    loader = ContextDataLoader(dataset, ElasticBatchSampler.of(dataset, 2))

    loader.load_state_dict(state)
    for wrong in ({"num_samples": 5}, {"fingerprint": "0" * 64}, {"began": [["0" * 64, 3]]}, {"began": 3}):
        with pytest.raises(StateMismatch):
            loader.load_state_dict({**state, **wrong})
    remove(copy.root, Query((f"{0:032x}",)))  # which rewrites an old shard, so that no state of before fits
    dataset = ContextDataset(copy.root)
    with pytest.raises(StateMismatch):
        ContextDataLoader(dataset, ElasticBatchSampler.of(dataset, 2)).load_state_dict(state)


@pytest.mark.parametrize("contexts", ["repack", "drop"])
def test_documents_of_any_part_can_be_removed(extended: Dataset, contexts: str) -> None:
    manifest = read_manifest(extended.root)
    names = [
        row["doc_id"]
        for batch in read_documents(extended.root, manifest, ["doc_key", "doc_id"])
        for row in batch.to_pylist()
        if row["doc_key"] in (7, FIRST + 3, FIRST + 30, SECOND + 1)
    ]
    (done,) = remove(extended.root, Query(tuple(names)), contexts=contexts)

    assert verify(extended.root) == []
    assert done.documents >= 4
    assert not list(find(extended.root, Query(tuple(names)), missing_ok=True))
    assert [one.first_document for one in read_manifest(extended.root).extensions] == [FIRST, SECOND]
    assert remove(extended.root, Query(tuple(names))) == []


def test_all_of_a_part_can_be_removed_and_the_rest_extended(
    extended: Dataset, additions: list[Dataset], tmp_path: Path
) -> None:
    manifest = read_manifest(extended.root)
    keys = {row for batch in read_documents(extended.root, manifest, ["doc_key"]) for row in batch[0].to_pylist()}
    third = write_dataset(tmp_path / "three", header=replace(HEADER, run_id="three"), train_docs=12)
    ids = {key - SECOND for key in keys if key >= SECOND}  # which the others have, too
    remove(extended.root, Query(tuple(f"{one:032x}" for one in ids)))

    left = read_manifest(extended.root)
    assert left.extensions[1].shards == {}
    assert verify(extended.root) == []
    extend(extended.root, third.root, 300)
    assert verify(extended.root) == []
    assert len(read_manifest(extended.root).extensions) == 3


@pytest.mark.parametrize("part", ["data-00000", "data-x00001-00000", "data-x00002-00000"])
def test_what_is_whole_of_a_damaged_part_is_saved(extended: Dataset, tmp_path: Path, part: str) -> None:
    (path,) = (extended.root / "train").glob(f"{part}-of-*.arrow")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    (saved,) = salvage(extended.root, tmp_path / "saved")

    assert verify(tmp_path / "saved") == []
    assert saved.rows["train"] < saved.rows_before["train"]
    assert saved.rows["val"] == saved.rows_before["val"]
    assert len(read_manifest(tmp_path / "saved").extensions) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["extensions"][0]["shards"].update(train=99),
        lambda one: one["extensions"][0]["order"]["first"].update(train=3),
        lambda one: one["extensions"][0]["packing"].update(padded_tokens=10**9),
        lambda one: one["extensions"][0].update(docs_files=9),
        lambda one: one["extensions"][1].update(first_document=FIRST),
        lambda one: one["extensions"][0]["shards"].update(other=1),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(extended: Dataset, change: Callable[[dict], None]) -> None:
    content = json.loads(manifest_json(read_manifest(extended.root)))
    del content["checksum"]
    change(content)
    with pytest.raises(ManifestInvalid):
        parse_manifest(json.dumps(content))


def test_keys_of_another_part_are_found(extended: Dataset) -> None:
    content = json.loads((extended.root / "manifest.json").read_text())
    content["extensions"][1]["first_document"] = SECOND + 2
    del content["checksum"]
    (extended.root / "manifest.json").write_text(manifest_json(parse_manifest(json.dumps(content))))

    assert [type(problem) for problem in verify(extended.root)] == [DocsInvalid]


def test_shards_of_parts_that_changed_places_are_found(extended: Dataset) -> None:
    one, other = (
        next((extended.root / "train").glob(f"data-{name}00000-of-*.arrow")) for name in ("x00001-", "x00002-")
    )
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)

    kinds = {type(problem).__name__ for problem in verify(extended.root, full=False)}
    assert kinds == {"ShardMisplaced"}

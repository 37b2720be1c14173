"""What is added comes behind what is there, of which not a byte changes, and every command reads both."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, write_dataset

from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler, extending
from sequitur.shards.attribution import Attribution
from sequitur.shards.documents import by_key, read_documents
from sequitur.shards.errors import DocsInvalid, ManifestInvalid, ShardError
from sequitur.shards.extending import ExtensionRefused, extend
from sequitur.shards.find import Query, find
from sequitur.shards.manifest import manifest_json, parse_manifest, read_manifest
from sequitur.shards.parts import parts
from sequitur.shards.pieces import batches
from sequitur.shards.removal.removing import remove
from sequitur.shards.rows import SplitRows
from sequitur.shards.salvage.salvaging import salvage
from sequitur.shards.sampler import StateMismatch
from sequitur.shards.verify import verify
from sequitur.shards.views.stats import statistics

FIRST, SECOND = 100, 200  # keys with which the documents of the extensions begin
RENEWED = ("manifest.json", "state.json")


@pytest.fixture(scope="module")
def additions(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    root = tmp_path_factory.mktemp("additions")
    return [
        write_dataset(root / name, header=replace(HEADER, run_id=name), train_docs=docs)
        for name, docs in (("one", 24), ("two", 9))
    ]


@pytest.fixture
def extended(copy: Dataset, additions: list[Dataset]) -> Dataset:
    """The example dataset, extended twice."""
    extend(copy.root, additions[0].root, FIRST)
    extend(copy.root, additions[1].root, SECOND)
    return copy


def standing(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, inode and time of every file."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in files
    }


def tokens(root: Path, split: str) -> list[list[int]]:
    rows = SplitRows(root, split)
    got = rows.gather(np.arange(len(rows)), np.uint32)
    return [ids[:count].tolist() for ids, count in zip(got.input_ids, got.num_tokens, strict=True)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_old_rows_come_first_and_then_the_new_ones_in_their_order(
    copy: Dataset, additions: list[Dataset], split: str
) -> None:
    alone = [tokens(one.root, split) for one in (copy, *additions)]
    before = standing(copy.root)

    extend(copy.root, additions[0].root, FIRST)
    whole = extend(copy.root, additions[1].root, SECOND)

    assert tokens(copy.root, split) == [row for rows in alone for row in rows]
    assert verify(copy.root) == []
    after = standing(copy.root)
    for name, was in before.items():
        assert after[name] == was or Path(name).name in RENEWED
    new = sorted(after.keys() - before.keys())
    assert all("x00001-" in name or "x00002-" in name for name in new)
    listed = [shard.path for shard in whole.splits[split].shards]
    assert listed == sorted(listed), "a reader that goes by names reads the rows in their order"
    assert len(whole.splits[split].shards) == len({shard.path for shard in whole.splits[split].shards})


def test_ids_count_on_and_lead_to_the_documents(extended: Dataset, additions: list[Dataset]) -> None:
    manifest = read_manifest(extended.root)
    ids = np.concatenate([batch.contexts.context_id for batch in batches(extended.root, manifest, "train", check=True)])
    keys = [key for batch in read_documents(extended.root, manifest, ["doc_key"]) for key in batch[0].to_pylist()]

    assert sorted(ids.tolist()) == list(range(len(ids)))
    assert keys == sorted(set(keys))
    attribution = Attribution(extended.root)
    for context in (0, len(ids) // 2, len(ids) - 1):
        assert ids[attribution.row_of(context)] == context
    with pytest.raises(IndexError, match="of a split of"):
        attribution.row_of(len(ids))
    last = attribution.origin(len(ids) - 1, 0)
    there = by_key(additions[1].root, additions[1].manifest, [last.document["doc_key"] - SECOND], ["doc_id"])
    assert last.document["doc_id"] == there[last.document["doc_key"] - SECOND]["doc_id"]


def test_peers_and_counts_see_all_of_it(extended: Dataset, additions: list[Dataset]) -> None:
    rows = [one.manifest.splits["train"].rows for one in (extended, *additions)]
    opened = datasets.load_from_disk(str(extended.root / "train"))

    assert len(opened) == sum(rows)
    assert [row[:3] for row in opened["input_ids"]] == [
        row[:3] for row in SplitRows(extended.root, "train").gather(np.arange(sum(rows)), np.uint32).input_ids.tolist()
    ]
    assert statistics(extended.root)["splits"]["train"]["contexts"] == sum(rows)
    assert len(ContextDataset(extended.root, verify="full")) == sum(rows)


def test_the_parts_are_the_datasets_that_were_joined(extended: Dataset, additions: list[Dataset]) -> None:
    found = parts(read_manifest(extended.root))

    assert found[0] == replace(extended.manifest, fingerprint=found[0].fingerprint)
    assert found[0].fingerprint == extended.manifest.fingerprint
    for part, one in zip(found[1:], additions, strict=True):
        assert part.packing == one.manifest.packing
        assert {name: split.row_digest for name, split in part.splits.items()} == {
            name: split.row_digest for name, split in one.manifest.splits.items()
        }
    assert ContextDataset(extended.root).earlier[0] == (
        extended.manifest.fingerprint,
        extended.manifest.splits["train"].rows,
    )


def test_a_reader_of_the_old_manifest_goes_on(copy: Dataset, additions: list[Dataset]) -> None:
    dataset = ContextDataset(copy.root)
    before = [dataset[i]["input_ids"].tolist() for i in range(2)]
    n = len(dataset)
    extend(copy.root, additions[0].root, FIRST)

    assert [dataset[i]["input_ids"].tolist() for i in range(2)] == before
    assert len([dataset[i] for i in range(n)]) == n
    assert [row["input_ids"].tolist() for row in map(ContextDataset(copy.root).__getitem__, range(2))] == before


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


def test_adding_again_changes_nothing(extended: Dataset, additions: list[Dataset]) -> None:
    before = standing(extended.root)
    extend(extended.root, additions[0].root, FIRST)

    assert standing(extended.root) == before


def test_what_does_not_fit_is_refused(copy: Dataset, additions: list[Dataset], tmp_path: Path) -> None:
    before = standing(copy.root)
    other = replace(HEADER, run_id="other", special_ids=replace(HEADER.special_ids, pad=0))
    stranger = write_dataset(tmp_path / "stranger", header=other)
    with pytest.raises(ExtensionRefused, match="another tokenizer"):
        extend(copy.root, stranger.root, FIRST)
    with pytest.raises(ExtensionRefused, match="give a first_document above it"):
        extend(copy.root, additions[0].root, 3)
    (copy.root / "_removal.json").write_text("{}")
    with pytest.raises(ExtensionRefused, match="repeat the same sequitur remove"):
        extend(copy.root, additions[0].root, FIRST)
    (copy.root / "_removal.json").unlink()
    assert standing(copy.root) == before


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


def killed_in(root: Path, addition: Path, point: str, count: int) -> None:
    """Extends in a process that is killed when a function of `extending` is called for the nth time."""
    if (child := os.fork()) == 0:
        function, calls = getattr(extending, point), 0

        def dying(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        setattr(extending, point, dying)
        extend(root, addition, FIRST)
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it was killed"


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("_write_part", 1),
        ("write_shard", 2),
        ("write_docs", 1),
        ("_publish", 1),
        ("flush_directory", 1),
        ("manifest_json", 1),
        ("renew_hub_files", 1),
    ],
)
def test_whoever_is_killed_leaves_old_or_new_and_the_next_call_the_same_bytes(
    dataset: Dataset, additions: list[Dataset], tmp_path: Path, point: str, count: int
) -> None:
    shutil.copytree(dataset.root, tmp_path / "undisturbed")
    shutil.copytree(dataset.root, tmp_path / "killed")
    extend(tmp_path / "undisturbed", additions[0].root, FIRST)
    before = standing(tmp_path / "killed")

    killed_in(tmp_path / "killed", additions[0].root, point, count)

    rows = tokens(tmp_path / "killed", "train")
    assert rows in (tokens(dataset.root, "train"), tokens(tmp_path / "undisturbed", "train"))
    assert len(datasets.load_from_disk(str(tmp_path / "killed/train"))) in (
        len(dataset.contexts["train"][3]),
        len(rows),
    )
    extend(tmp_path / "killed", additions[0].root, FIRST)
    content = {name: one[0] for name, one in standing(tmp_path / "killed").items()}
    assert content == {name: one[0] for name, one in standing(tmp_path / "undisturbed").items()}
    after = standing(tmp_path / "killed")
    assert all(after[name] == was for name, was in before.items() if Path(name).name not in RENEWED)


def test_a_write_that_fails_changes_nothing(
    copy: Dataset, additions: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = standing(copy.root)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(extending, "write_docs", full)
    with pytest.raises(OSError, match="No space"):
        extend(copy.root, additions[0].root, FIRST)
    monkeypatch.undo()
    after = {name: one for name, one in standing(copy.root).items() if not name.startswith("_extension/")}
    assert after == before
    assert verify(copy.root) == []
    extend(copy.root, additions[0].root, FIRST)
    assert verify(copy.root) == []
    assert read_manifest(copy.root).header.seq_len == SEQ_LEN


def test_damage_of_the_addition_stops_it(copy: Dataset, additions: list[Dataset], tmp_path: Path) -> None:
    shutil.copytree(additions[0].root, tmp_path / "damaged")
    (path,) = (tmp_path / "damaged/train").glob("data-00001-*.arrow")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ShardError, match="copy"):
        extend(copy.root, tmp_path / "damaged", FIRST)
    assert verify(copy.root) == []
    assert read_manifest(copy.root).extensions == ()

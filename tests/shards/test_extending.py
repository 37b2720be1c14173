"""What is added comes behind what is there, of which not a byte changes, and every command reads both."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from example_dataset import HEADER, SEQ_LEN, Dataset, write_dataset
from extended_dataset import FIRST, RENEWED, SECOND, standing, tokens

from sequitur.shards import ContextDataset, extending
from sequitur.shards.attribution import Attribution
from sequitur.shards.documents import by_key, read_documents
from sequitur.shards.errors import ShardError
from sequitur.shards.extending import ExtensionRefused, extend
from sequitur.shards.manifest import read_manifest
from sequitur.shards.parts import parts
from sequitur.shards.pieces import batches
from sequitur.shards.rows import SplitRows
from sequitur.shards.verify import verify
from sequitur.shards.views.stats import statistics


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

"""Datasets by family and row length are each whole, and together hold every token of every document."""

import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest

from sequitur.pipeline.config import overridden
from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset
from sequitur.shards.errors import ManifestMissing
from sequitur.shards.families import read_families
from sequitur.shards.manifest import read_manifest
from sequitur.shards.verify import verify
from sequitur.stages.pack import STAGE, shard_sets
from sequitur.stages.pack import stage as pack

BUCKETS = {"context_length": 128, "policy": "buckets", "validation_share": 0.2}
FILLED = {"context_length": 512, "policy": "filled", "validation_share": 0.2}


@pytest.fixture(scope="module")
def packed(finished: Run, execute: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Goes on from a copy of the finished run, up to `pack`, with other settings."""

    def run(name: str, **sections: Any) -> Run:
        output = shutil.copytree(finished.config.output, tmp_path_factory.mktemp(name) / "run")
        return execute(output, "pack", **sections)

    return run


@pytest.fixture(scope="module")
def families(packed: Any) -> Run:
    return packed("families", families={"by": "source"}, pack={"context_length": 1024, "validation_share": 0.1})


@pytest.fixture(scope="module")
def filled(packed: Any) -> Run:
    return packed("filled", families={"by": "source"}, pack=FILLED)


@pytest.fixture(scope="module")
def both(packed: Any) -> Run:
    return packed("both", families={"by": "source"}, pack=BUCKETS)


@pytest.fixture(scope="module")
def repeating(packed: Any) -> Run:
    return packed("repeating", order={"strategy": "knn"}, pack={"context_length": 1024, "validation_share": 0.1})


@pytest.fixture(scope="module")
def sorted_run(packed: Any) -> Run:
    return packed("sorted", order={"strategy": "curriculum"}, pack={"context_length": 512, "policy": "filled"})


@pytest.fixture(params=["families", "filled", "both"])
def parted(request: pytest.FixtureRequest) -> Run:
    run: Run = request.getfixturevalue(request.param)
    return run


def root_of(run: Run) -> Path:
    return Path(run.artifact("shards").path())


def placed(root: Path) -> Iterator[tuple[str, int, int, list[int]]]:
    """(split, document, its first token here, tokens) of each piece of a dataset, as a trainer reads them."""
    for split in read_manifest(root).splits:
        rows = ContextDataset(root, split, labels="none", return_provenance=True)
        for row in (rows[index] for index in range(len(rows))):
            ends = np.cumsum(row["doc_lens"].numpy())
            for key, start, tokens in zip(
                row["doc_ids"].tolist(),
                row["doc_starts"].tolist(),
                np.split(row["input_ids"].numpy(), ends)[: len(ends)],
                strict=True,
            ):
                yield split, key, start, tokens.tolist()


def tokens_of(run: Run, rows: Any) -> dict[int, list[int]]:
    stays = {row["ordinal"] for row in rows(run, "order")}
    return {row["ordinal"]: row["input_ids"] for row in rows(run, "tokens") if row["ordinal"] in stays}


def test_every_token_of_every_document_comes_back(parted: Run, rows: Any) -> None:
    pieces = [piece for one in read_families(root_of(parted)) for piece in placed(root_of(parted) / one.directory)]
    found: dict[int, list[int]] = {}
    for _, document, start, tokens in sorted(pieces, key=lambda piece: piece[1:3]):
        assert start == len(found.setdefault(document, []))
        found[document] += tokens
    assert found == tokens_of(parted, rows)
    splits: dict[int, set[str]] = {}
    for split, document, _, _ in pieces:
        splits.setdefault(document, set()).add(split)
    assert {len(names) for names in splits.values()} == {1}
    assert {name for names in splits.values() for name in names} == {"train", "val"}
    assert list(pack.verify(parted)) == []


def test_a_family_holds_its_documents_alone(parted: Run, rows: Any) -> None:
    names = parted.manifest("order").statistics["families"]
    assert names == ["books", "web"]
    family = {row["ordinal"]: names[row["family"]] for row in rows(parted, "order")}
    for one in read_families(root_of(parted)):
        assert {family[document] for _, document, _, _ in placed(root_of(parted) / one.directory)} == {one.family}


def test_rows_of_each_length(both: Run) -> None:
    listed = read_families(root_of(both))
    assert {(one.family, one.context_length) for one in listed} == {
        (family, length) for family in ("books", "web") for length in (32, 64, 128)
    }
    for one in listed:
        assert one.directory == f"{one.family}/len-{one.context_length:05}"
        for _, _, _, tokens in placed(root_of(both) / one.directory):
            assert len(tokens) == one.context_length or len(tokens) < 32 == one.context_length


def test_what_follows_a_bucket_is_its_document(both: Run, rows: Any) -> None:
    tokens = tokens_of(both, rows)
    followed = 0
    for path in root_of(both).glob("*/*/*/*.arrow"):
        with pa.ipc.open_stream(path) as stream:
            for row in stream.read_all().to_pylist():
                whole, end = tokens[row["doc_ids"][0]], row["doc_starts"][0] + row["doc_lens"][0]
                full = row["num_tokens"] == len(row["input_ids"])
                assert row["next_token"] == (whole[end] if full and end < len(whole) else None)
                followed += row["next_token"] is not None
    assert followed > 100


def test_filled_rows_are_full_but_the_last_of_each_split(filled: Run, rows: Any) -> None:
    lengths = {document: len(tokens) for document, tokens in tokens_of(filled, rows).items()}
    for one in read_families(root_of(filled)):
        root, packing = root_of(filled) / one.directory, read_manifest(root_of(filled) / one.directory).packing
        cut = set()
        for split in ("train", "val"):
            dataset = ContextDataset(root, split, labels="none", return_provenance=True)
            read = [dataset[index] for index in range(len(dataset))]
            short = [int(row["context_id"]) for row in read if row["doc_lens"].sum() < one.context_length]
            assert short in ([], [len(read) - 1])
            assert len(read) > 5
            for row in read:
                pieces = zip(row["doc_ids"].tolist(), row["doc_lens"].tolist(), strict=True)
                cut |= {document for document, length in pieces if length < lengths[document]}
        assert (packing.policy, packing.split_docs, packing.dropped_tokens) == ("filled", len(cut), 0)
        assert 0 < len(cut) < one.documents / 2


def test_what_fills_rows_depends_on_who_is_alike(filled: Run, families: Run) -> None:
    assert "neighbors" in STAGE.parents_of(filled.config)
    assert "neighbors" not in STAGE.parents_of(overridden(families.config, ["pack.policy=whole"]))


def test_hugging_face_reads_each(parted: Run) -> None:
    for one in read_families(root_of(parted)):
        rows = sum(
            len(datasets.load_from_disk(str(root_of(parted) / one.directory / split)))
            for split in read_manifest(root_of(parted) / one.directory).splits
        )
        assert rows == one.contexts


def test_the_top_directory_lists_what_is_there(parted: Run, sequitur: Any) -> None:
    root = root_of(parted)
    statistics = parted.manifest("shards").statistics
    listed = read_families(root)
    assert sum(statistics["contexts"].values()) == sum(one.contexts for one in listed)
    assert statistics["tokens"] == sum(one.tokens for one in listed)
    assert statistics["documents"] == len({piece[1] for one in listed for piece in placed(root / one.directory)})
    with pytest.raises(ManifestMissing, match=r"families\.json"):
        ContextDataset(root)
    assert (root / "router/router.json").is_file()
    shown = sequitur("show", root)
    assert shown.code == 0
    assert all(one.directory in shown.out for one in listed)
    assert sequitur("show", root / listed[0].directory).code == 0


def test_damage_is_found_in_the_dataset_it_is_in(families: Run, tmp_path: Path) -> None:
    root = Path(shutil.copytree(root_of(families), tmp_path / "shards"))
    shard = next((root / "web/train").glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(content)
    assert [problem.shard for problem in verify(root)] == [f"web/train/{shard.name}"]
    listed = (root / "families.json").read_text()
    (root / "families.json").write_text(listed.replace('"books"', '"boots"'))
    assert "families.json: its checksum" in str(verify(root)[0])


def test_an_order_that_repeats_documents(repeating: Run, rows: Any) -> None:
    root, order = root_of(repeating), [row["ordinal"] for row in rows(repeating, "order")]
    assert len(order) > len(set(order))
    assert list(pack.verify(repeating)) == []
    tokens = tokens_of(repeating, rows)
    pieces = list(placed(root))
    statistics = repeating.manifest("shards").statistics
    once = sum(len(tokens[document]) for document in tokens)
    assert {document for _, document, _, _ in pieces} == set(tokens)
    assert statistics["repeated_tokens"] == sum(len(piece) for _, _, _, piece in pieces) - once > 0
    for _, document, start, piece in pieces:
        assert piece == tokens[document][start : start + len(piece)]
    train, val = ({document for split, document, _, _ in pieces if split == name} for name in ("train", "val"))
    assert val
    assert not train & val


def test_rows_of_a_sorted_order_lie_as_ordered(sorted_run: Run) -> None:
    manifest = read_manifest(root_of(sorted_run))
    assert manifest.order.kind == "as_ordered"
    rows = ContextDataset(root_of(sorted_run), "train", return_provenance=True)
    assert [int(rows[index]["context_id"]) for index in range(len(rows))] == list(range(len(rows)))
    assert [int(rows[index]["doc_lens"].sum()) for index in range(len(rows) - 1)] == [512] * (len(rows) - 1)
    assert len(rows) > 10


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.99])
def test_validation_takes_whole_paths_up_to_its_share(share: float) -> None:
    rng = np.random.default_rng(1)
    paths = 7 + np.sort(rng.integers(0, 40, 300))
    tokens = rng.integers(1, 100, 300)
    chosen = shard_sets.validation_positions(paths, tokens, share, seed=3)
    assert tokens[chosen].sum() <= share * tokens.sum()
    assert not set(paths[chosen]) & set(paths[~chosen])
    assert (chosen == shard_sets.validation_positions(paths, tokens, share, seed=3)).all()


def test_directories_are_no_other_files() -> None:
    families = ["", "web", "router", "families.json", "len-00032", "_plan", "web--en"]
    names = [shard_sets.directory_name(name, length) for name in families for length in (None, 32)]
    assert Counter(names).most_common(1)[0][1] == 1
    assert names[:4] == ["", "len-00032", "web", "web/len-00032"]
    assert not set(names) & {"router", "families.json", "_plan"}
    assert all(a != f"{b}/train" for a, b in pairwise(names))

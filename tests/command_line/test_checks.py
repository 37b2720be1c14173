"""`sequitur verify` of shards: what it says of sound ones, of damaged ones, and what it saves of these."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from example_dataset import Dataset, write_dataset

from sequitur.shards import verify
from sequitur.shards.families import dataset_entry, families_json

Sequitur = Callable[..., Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("shards") / "dataset")


@pytest.fixture
def dataset(written: Dataset, tmp_path: Path) -> Dataset:
    """A copy to damage, `shards` in the working directory."""
    shutil.copytree(written.root, tmp_path / "shards")
    return written._replace(root=tmp_path / "shards")


@pytest.fixture
def sequitur(sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sequitur:
    monkeypatch.chdir(tmp_path)
    return sequitur


@pytest.fixture
def damaged(dataset: Dataset) -> str:
    """Flips a byte of train; the path of the shard."""
    shard = dataset.manifest.splits["train"].shards[0]
    content = bytearray((dataset.root / shard.path).read_bytes())
    content[shard.batches[1].offset + 200] ^= 1
    (dataset.root / shard.path).write_bytes(content)
    return shard.path


@pytest.mark.usefixtures("dataset")
def test_sound_shards_and_what_was_not_looked_at(sequitur: Sequitur) -> None:
    quick, full = sequitur("verify", "shards"), sequitur("verify", "shards", "--full")

    assert (quick.code, quick.err, full.code, full.err) == (0, "", 0, "")
    assert quick.out.startswith(
        "shards: sound as far as the manifest, sizes, schemas and the order of rows go; --full "
    )
    assert full.out == "shards: sound\n"


def test_damaged_shards(sequitur: Sequitur, damaged: str) -> None:
    assert sequitur("verify", "shards").code == 0

    ended = sequitur("verify", "shards", "--full")
    assert (ended.code, ended.err) == (1, "error: shards: 1 problem\n")
    assert ended.out.startswith(f"{damaged}, batch 1 at byte ")
    assert ended.out.count("\n") == 1

    ended = sequitur("verify", "shards", "--full", "--json")
    assert (ended.code, ended.err) == (1, "")
    told = json.loads(ended.out)
    (problem,) = told["problems"]
    assert (told["path"], told["full"], told["sound"]) == ("shards", True, False)
    assert (problem["kind"], problem["shard"], problem["batch"]) == ("ShardCorrupt", damaged, 1)
    assert problem["message"].startswith(f"{damaged}, batch 1 at byte {problem['offset']}: its CRC-32 is")


def test_problems_hold_no_terminal_commands(sequitur: Sequitur, dataset: Dataset) -> None:
    (dataset.root / "train/a\x1b[31m\n.arrow").touch()

    ended = sequitur("verify", "shards")
    assert (ended.code, ended.err) == (1, "error: shards: 1 problem; --full reads every byte\n")
    assert "\x1b" not in ended.out
    assert ended.out.count("\n") == 1


def test_a_missing_manifest(sequitur: Sequitur, dataset: Dataset) -> None:
    (dataset.root / "manifest.json").unlink()

    assert "manifest.json is missing" in sequitur("verify", "shards").out
    assert json.loads(sequitur("verify", "shards", "--json").out)["problems"][0]["kind"] == "ManifestMissing"
    ended = sequitur("verify", "shards", "--salvage", "out")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: shards: nothing was written: ")
    assert not Path("out").exists()


def test_salvage(sequitur: Sequitur, damaged: str) -> None:
    ended = sequitur("verify", "shards", "--salvage", "out")

    assert (ended.code, ended.err) == (0, "")
    left_out, saved = ended.out.splitlines()
    assert left_out.startswith(f"left out: {damaged}, batch 1 at byte ")
    assert saved.startswith("out: 32 of 36 contexts of train, ")
    assert sequitur("verify", "out", "--full").out == "out: sound\n"

    ended = sequitur("verify", "shards", "--salvage", "out")
    assert ended.code == 1
    assert ended.err.endswith("out: is there and not empty; choose another place\n")
    told = json.loads(sequitur("verify", "shards", "--salvage", "again", "--json").out)
    assert told["salvaged"][0]["rows"]["train"] == 32
    assert told["problems"][0]["batch"] == 1


def test_salvage_of_a_runs_shards(sequitur: Sequitur, dataset: Dataset) -> None:
    Path("run").mkdir()
    dataset.root.rename("run/shards")
    Path("run/config.yaml").touch()

    ended = sequitur("verify", "run", "--salvage", "out")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("out: 36 of 36 contexts of train, ")


def test_parted_shards(sequitur: Sequitur, dataset: Dataset, damaged: str) -> None:
    Path("all").mkdir()
    dataset.root.rename("all/web")
    Path("all/families.json").write_text(families_json([dataset_entry("web", "web", dataset.manifest)]))

    assert sequitur("verify", "all").code == 0
    assert sequitur("verify", "all", "--full").out.startswith(f"web/{damaged}, batch 1")
    assert sequitur("verify", "all", "--salvage", "out").out.splitlines()[1].startswith("out/web: 32 of 36 contexts")


def test_shards_on_another_file_system(sequitur: Sequitur, dataset: Dataset, damaged: str) -> None:
    memory = fsspec.filesystem("memory")
    try:
        memory.put(str(dataset.root), "/far/shards", recursive=True)
        assert sequitur("verify", "memory://far/shards").code == 0
        assert sequitur("verify", "memory://far/shards", "--full").out.startswith(f"{damaged}, batch 1")
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


@pytest.mark.usefixtures("dataset")
def test_interrupted(sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "read_batch", interrupt)
    monkeypatch.setattr("sequitur.shards.salvage.reading.read_batch", interrupt)
    for options in (["--full"], ["--salvage", "out"]):
        ended = sequitur("verify", "shards", *options)
        assert (ended.code, ended.out) == (130, "")
        assert ended.err == "error: interrupted; nothing was written\n"
    assert sorted(path.name for path in Path().iterdir()) == ["shards"]

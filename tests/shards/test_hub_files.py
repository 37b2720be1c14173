"""Hugging Face's two files are written anew where they are not the manifest's, and left alone where they are."""

from example_dataset import Dataset

from sequitur.shards.hub_files import renew_hub_files
from sequitur.shards.verify import verify


def test_only_what_differs_is_written(copy: Dataset) -> None:
    (copy.root / "train/state.json").write_text("{}")
    (copy.root / "val/dataset_info.json").unlink()
    kept = (copy.root / "val/state.json").stat().st_ino

    renew_hub_files(copy.root, copy.manifest)

    assert verify(copy.root) == []
    assert (copy.root / "val/state.json").stat().st_ino == kept

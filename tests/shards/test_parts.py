"""A dataset that was never extended is one part; what parts give, joined gives back."""

from example_dataset import Dataset

from sequitur.shards.manifest import manifest_json
from sequitur.shards.parts import earlier, first_documents, joined, parts, place_of


def test_a_dataset_that_was_never_extended_is_one_part(dataset: Dataset) -> None:
    manifest = dataset.manifest

    assert parts(manifest) == [manifest]
    assert manifest_json(joined(parts(manifest), [], ())) == manifest_json(manifest)
    assert "extensions" not in manifest_json(manifest)
    assert first_documents(manifest) == []
    assert earlier(manifest, "train") == ()
    last = len(manifest.splits["train"].shards) - 1
    assert place_of(manifest, "train", last) == ("train", f"{last}/{last + 1}", "run")

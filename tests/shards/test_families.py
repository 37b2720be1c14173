"""families.json: what it lists is read back, checked, and verified."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import pytest
from example_dataset import Dataset
from rich.console import Console

from sequitur.shards.errors import DocumentRepeated, ManifestInvalid, ManifestMissing, PathEscape, TotalsMismatch
from sequitur.shards.families import dataset_entry, families_json, read_families
from sequitur.shards.manifest import build_manifest, manifest_json, read_manifest
from sequitur.shards.verify import verify
from sequitur.shards.views.render import render_families


@pytest.fixture
def root(dataset: Dataset, tmp_path: Path) -> Path:
    """Two datasets, alike."""
    for name in ("a", "b/len-00064"):
        shutil.copytree(dataset.root, tmp_path / name)
    entries = [dataset_entry(name[0], name, dataset.manifest) for name in ("a", "b/len-00064")]
    (tmp_path / "families.json").write_text(families_json(entries))
    return tmp_path


def test_what_is_listed_is_read_and_sound(root: Path, dataset: Dataset) -> None:
    first, second = read_families(root)
    assert (first.directory, second.directory) == ("a", "b/len-00064")
    assert first.contexts == sum(len(one.num_tokens) for one in dataset.contexts.values())
    assert first.tokens == sum(map(len, dataset.documents.values()))
    assert first.documents == len(dataset.documents)
    assert verify(root) == []
    console = Console(file=io.StringIO(), width=200)
    console.print(render_families(root))
    assert "b/len-00064" in console.file.getvalue()


def test_problems_name_the_dataset(root: Path) -> None:
    shard = next((root / "a/val").glob("*.arrow"))
    shard.unlink()
    (problem,) = verify(root)
    assert problem.shard == f"a/val/{shard.name}"
    (root / "b/len-00064/manifest.json").unlink()
    assert [type(one) for one in verify(root)][1:] == [ManifestMissing]


def test_another_dataset_than_is_listed(root: Path) -> None:
    listed = [dataclasses.replace(one, tokens=one.tokens + (one.family == "b")) for one in read_families(root)]
    (root / "families.json").write_text(families_json(listed))
    (problem,) = verify(root)
    assert isinstance(problem, TotalsMismatch)
    assert problem.shard == "b/len-00064"


@pytest.mark.parametrize(
    ("content", "error"),
    [("{", ManifestInvalid), ("{}", ManifestInvalid), ('{"datasets": [{}]}', ManifestInvalid), ("[]", ManifestInvalid)],
    ids=["cut off", "empty", "no entry", "a list"],
)
def test_a_file_that_is_not_one(tmp_path: Path, content: str, error: type[Exception]) -> None:
    (tmp_path / "families.json").write_text(content)
    with pytest.raises(error):
        read_families(tmp_path)
    assert isinstance(verify(tmp_path)[0], error)


def test_directories_lie_below(root: Path) -> None:
    (root / "families.json").write_text((root / "families.json").read_text().replace('"a"', '"../a"'))
    with pytest.raises(PathEscape):
        read_families(root)


def test_the_top_directory_is_no_dataset(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestMissing, match=r"listed in families\.json"):
        read_manifest(root)
    with pytest.raises(ManifestMissing, match="families"):
        read_families(tmp_path / "a")


def test_a_manifest_without_the_later_counts(copy: Dataset) -> None:
    path = copy.root / "manifest.json"
    content = json.loads(path.read_text())
    for key in ("repeated_tokens", "elsewhere_tokens"):
        del content["packing"][key]
    del content["checksum"]
    path.write_text(json.dumps(content))
    assert read_manifest(copy.root).packing == copy.manifest.packing


def test_tokens_elsewhere_and_repeated_are_counted(copy: Dataset) -> None:
    for counts, kinds in (
        ({"repeated_tokens": 3}, [TotalsMismatch]),
        ({"elsewhere_tokens": 3}, ["DocumentIncomplete"]),
    ):
        packing = dataclasses.replace(copy.manifest.packing, **counts)
        m = copy.manifest
        changed = build_manifest(m.header, packing, m.order, m.splits, m.docs_table)
        (copy.root / "manifest.json").write_text(manifest_json(changed))
        assert [type(problem).__name__ for problem in verify(copy.root)] == [
            kind if isinstance(kind, str) else kind.__name__ for kind in kinds
        ]
        assert DocumentRepeated not in {type(problem) for problem in verify(copy.root)}

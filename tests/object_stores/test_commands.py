"""What is asked of a run on an object store is answered as of one on a disk."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_runs import content

from sequitur.pipeline import lock
from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset

pytestmark = pytest.mark.s3

Sequitur = Callable[..., Any]


def differing(ours: dict[str, str], theirs: dict[str, str]) -> set[str]:
    return {name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)}


@pytest.fixture(scope="module")
def url(finished: Run, bucket: Any) -> str:
    """The finished run, copied to the store."""
    import s3fs

    there = f"{bucket()}/run"
    s3fs.S3FileSystem().put(finished.config.output, there, recursive=True)
    return there


@pytest.mark.parametrize(
    ("command", "copies"),
    [
        ("status RUN", False),
        ("verify RUN", True),
        ("verify RUN/shards --full", True),
        ("show RUN --json", False),
        ("stats RUN/shards --json", True),
        ("find RUN/shards --doc-id doc-001 --json", True),
        ("trace RUN doc-001", True),
        ("why RUN doc-001 doc-007", True),
        ("rules try RUN --json", False),
    ],
)
def test_it_answers_as_at_home(sequitur: Sequitur, finished: Run, url: str, command: str, copies: bool) -> None:
    there, here = (sequitur(*command.replace("RUN", root).split()) for root in (url, finished.config.output))
    assert (there.code, here.code) == (0, 0), there.err
    assert there.out.replace(url, finished.config.output) == here.out
    said = [line for line in there.err.splitlines() if line.startswith("copying ")]
    assert bool(said) == copies, there.err
    assert all(f" from {url}/shards, which is read where it can be mapped" in line for line in said)


def test_exports_are_those_of_a_disk(sequitur: Sequitur, finished: Run, url: str, tmp_path: Path) -> None:
    outs = (tmp_path / "there", tmp_path / "here")
    for root, out in zip((url, finished.config.output), outs, strict=True):
        assert sequitur("export", f"{root}/shards", out, "--to", "megatron").code == 0
    digests = {json.loads((out / "sequitur-export.json").read_text())["row_digest"] for out in outs}
    assert len(digests) == 1


def test_documents_are_taken_out_there_as_here(sequitur: Sequitur, finished: Run, bucket: Any, tmp_path: Path) -> None:
    """Of a run: the shards, its own manifest of them, and its report."""
    import s3fs

    here, there = tmp_path / "run", f"{bucket()}/run"
    shutil.copytree(finished.config.output, here)
    s3fs.S3FileSystem().put(finished.config.output, there, recursive=True)
    ours, theirs = (sequitur("remove", root, "--doc-id", "doc-001", "--json") for root in (here, there))
    assert (ours.code, theirs.code) == (0, 0), theirs.err
    assert json.loads(theirs.out)["removals"] == json.loads(ours.out)["removals"]
    copy = tmp_path / "copy"
    s3fs.S3FileSystem(use_listings_cache=False).get(there, str(copy), recursive=True)
    assert {name for name in differing(content(copy), content(here)) if not lock.is_of_lock(name)} == set()
    assert sequitur("verify", there).code == 0
    assert sequitur("find", f"{there}/shards", "--doc-id", "doc-001").code == 1


def test_the_reader_reads_from_a_cache_with_a_limit(finished: Run, url: str, tmp_path: Path) -> None:
    plain = ContextDataset(Path(finished.config.output) / "shards")
    limit = max(shard.stat().st_size for shard in Path(finished.config.output).glob("shards/train/*.arrow"))
    reader = ContextDataset(f"{url}/shards", cache=tmp_path, cache_bytes=limit)
    rows = range(len(plain))
    np.testing.assert_array_equal(
        reader.__getitems__(rows).columns["input_ids"], plain.__getitems__(rows).columns["input_ids"]
    )
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= limit
    shutil.rmtree(tmp_path)


def test_what_a_run_needs_no_more_goes_there_as_here(sequitur: Sequitur, finished: Run, bucket: Any) -> None:
    import s3fs

    fs, there = s3fs.S3FileSystem(use_listings_cache=False), f"{bucket()}/run"
    fs.put(finished.config.output, there, recursive=True)
    before = set(fs.find(there))
    build, mine = f"{there}/documents/0123456789abcdef", f"{there}/notes.txt"
    fs.pipe(
        {f"{build}/part-00000-0000.arrow": b"12345", f"{build}/_parts/part-00000-0000.arrow.json": b"12", mine: b"1"}
    )
    for arguments, deleted in (((), False), (("--delete",), True)):
        ended = sequitur("gc", there, "--json", *arguments)
        assert ended.code == 0, ended.err
        told = json.loads(ended.out)
        assert (told["deleted"], told["bytes"]) == (deleted, 7)
        assert [(one["path"], one["files"]) for one in told["leftovers"]] == [("documents/0123456789abcdef", 2)]
        assert [one["path"] for one in told["foreign"]] == ["notes.txt"]
    left = {name for name in fs.find(there) if not lock.is_of_lock(name.rpartition("/")[2])}
    assert left - before == {mine.removeprefix("s3://")}

"""What is asked of a run on an object store is answered as of one on a disk."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur.pipeline.stage import Run
from sequitur.shards import ContextDataset

pytestmark = pytest.mark.s3

Sequitur = Callable[..., Any]


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
        ("show RUN --json", True),
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


def test_removal_says_what_is_to_be_copied(sequitur: Sequitur, url: str) -> None:
    ended = sequitur("remove", f"{url}/shards", "--doc-id", "doc-001")
    assert ended.code == 1
    assert "shards are rewritten where they are local; copy the run here, and back once it is done (" in ended.err


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

"""The whole job on an object store makes the bytes that it makes on a disk, also when it is killed while it uploads."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mixed_files
import pytest
import xxhash
from counting_proxy import CountingProxy
from job_runs import PACK, content

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.config import load
from sequitur.pipeline.stage import Run, wanted

pytestmark = pytest.mark.s3

Start = Callable[..., subprocess.Popen[str]]
OF_THE_RUN = ("_lock", "_state", "config.yaml")
UPLOADS = (  # of which keys the process is killed at the n-th, and whether the store still gets it
    ("documents/", 4, True),
    ("signals/", 3, False),
    ("selection/", 5, True),
    ("neighbors/", 4, False),
    ("shards/", 3, True),
    ("report/_manifest.json", 1, False),
)


class Inputs(NamedTuple):
    folder: Path
    url: str


@pytest.fixture(scope="module")
def inputs(corpus: Any, bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Files of every format, here and on the store."""
    import s3fs

    folder = tmp_path_factory.mktemp("inputs") / "in"
    sound = [line for number, line in enumerate(corpus.lines) if number not in corpus.rejected]
    mixed_files.write(folder, sound)
    url = f"{bucket()}/in"
    s3fs.S3FileSystem().put(str(folder), url, recursive=True)
    return Inputs(folder, url)


def sections(inputs: str) -> dict[str, Any]:
    return {
        "ingest": {"inputs": [inputs], "part_bytes": 2**15, "split_bytes": 30_000},
        "refine": {"fix_unicode": True},
        "pack": PACK,
    }


def job(config: Path, output: str | Path) -> Run:
    return Run(load(config, [f"output={output}"]))


def content_at(url: str) -> dict[str, str]:
    """The checksum of every object of a run that does not tell of the run itself."""
    import s3fs

    fs = s3fs.S3FileSystem(use_listings_cache=False)
    root = url.removeprefix("s3://")
    names = [name for name in fs.find(root) if not name.removeprefix(f"{root}/").startswith(OF_THE_RUN)]
    found = fs.cat(names)
    return {name.removeprefix(f"{root}/"): xxhash.xxh3_128_hexdigest(found[name]) for name in names}


def differing(ours: dict[str, str], theirs: dict[str, str]) -> set[str]:
    return {name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)}


@pytest.fixture(scope="module")
def at_home(inputs: Inputs, configure: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a local disk, of the inputs on the store."""
    root = tmp_path_factory.mktemp("home") / "run"
    run_directory.execute(beam_job.RECIPE, job(configure(root, **sections(inputs.url)), root))
    return root


def test_inputs_of_every_format_are_read_as_from_a_disk(
    inputs: Inputs, at_home: Path, configure: Callable[..., Path], rows: Any, tmp_path: Path
) -> None:
    of_disk = job(configure(tmp_path / "run", **sections(str(inputs.folder))), tmp_path / "run")
    run_directory.execute(beam_job.RECIPE, of_disk, None, "ingest")
    of_store = Run(of_disk.config.model_copy(update={"output": str(at_home)}))
    for artifact in ("documents", "rejects"):
        ours, theirs = rows(of_store, artifact), rows(of_disk, artifact)
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert one.pop("source_file") == f"{inputs.url}/{Path(other.pop('source_file')).name}"
            if not one.get("record_id"):  # then the name of the file is part of the document's
                one.pop("doc_id", None), other.pop("doc_id", None)
            if (one["url"] or "").startswith(inputs.url):  # of a file that is one document: its place, and its time
                one["url"], other["url"] = (Path(row["url"]).name for row in (one, other))
                one.pop("timestamp"), other.pop("timestamp")
            assert one == other
    kinds = {Path(row["source_file"]).name.split(".", 1)[1] for row in rows(of_disk)}
    assert kinds == {path.name.split(".", 1)[1] for path in inputs.folder.iterdir()}


def test_the_whole_job_gives_the_bytes_of_a_disk(
    inputs: Inputs, at_home: Path, configure: Callable[..., Path], bucket: Any, tmp_path: Path
) -> None:
    output = f"{bucket()}/run"
    config = configure(tmp_path / "run", **sections(inputs.url))
    of_store = job(config, output)
    run_directory.execute(beam_job.RECIPE, of_store)
    assert differing(content_at(output), content(at_home)) == set()
    for stage in wanted(beam_job.RECIPE, of_store.config):
        of_disk = job(config, at_home).manifest(stage.artifact)
        assert of_store.manifest(stage.artifact).fingerprint == of_disk.fingerprint
    assert list(run_directory.problems(beam_job.RECIPE, of_store)) == []


def test_killed_in_uploads_it_ends_with_the_same_bytes(
    inputs: Inputs,
    at_home: Path,
    configure: Callable[..., Path],
    bucket: Any,
    proxy: CountingProxy,
    start: Start,
    tmp_path: Path,
) -> None:
    output = f"{bucket()}/run"
    config = configure(tmp_path / "run", **sections(inputs.url))
    config.write_text(config.read_text().replace(f"output: {tmp_path / 'run'}", f"output: {output}"))
    process = start(Path(__file__).with_name("killed_uploads.py"), config, len(UPLOADS))
    assert process.stdout is not None
    root = output.removeprefix("s3://")
    try:
        for key, count, arrives in UPLOADS:
            number, seen = int(process.stdout.readline()), 0

            def kill(method: str, asked: str, *, number=number, key=key, count=count, arrives=arrives) -> bool:
                nonlocal seen
                seen += method == "PUT" and asked.startswith(f"{root}/{key}")
                if seen == count:
                    seen += 1
                    os.killpg(number, signal.SIGKILL)
                    return arrives
                return True

            proxy.before = kill
        process.stdout.readline()
    finally:
        proxy.before = lambda method, key: True
    assert process.wait() == 0, process.communicate()[1][-3000:]
    assert differing(content_at(output), content(at_home)) == set()

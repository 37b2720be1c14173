"""What a run asks of an object store: requests and bytes of each stage, counted before the server."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from counting_proxy import CountingProxy, Request

from sequitur import beam_job
from sequitur.pipeline import builds, notes, run_directory, runner
from sequitur.pipeline.config import load
from sequitur.pipeline.errors import StorageError
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.stages.pack import stage as pack
from sequitur.stages.shared.columns.token_ranges import document_lengths

pytestmark = pytest.mark.s3

MOST_REQUESTS, MOST_BYTES = 3, 2  # for each file that a stage reads or writes; of those of the files that it reads
START = "start"  # what every command asks before the first stage: the inputs' names, sizes and ends; the lock
NOTES = ("_parts", "_digests", "_state")  # folders of files that tell of the work

SMALL_WORDS = ("the", "of", "and", "that", "have", "with", "to", "be")

DONE = 10  # parts of an interrupted run

# Files, documents of a file, words of a document, and bytes of a stretch.
PARTS = (48, 12, 400, 2**20)  # files that are a part each
SMALL = (500, 1, 200, 2**20)
LONG = (4, 400, 700, 2**20)  # read in three stretches each
LARGE = (4, 400, 700, 2**22, 2**22)  # a part each, of four times the bytes that are fetched at least


class Asked(NamedTuple):
    """What a stage asked for, and the bytes of every object that was put so far."""

    requests: Sequence[Request]
    sizes: dict[str, int]

    def _of(self, *methods: str) -> set[str]:
        return {one.key for one in self.requests if one.method in methods and not one.listing}

    @property
    def files(self) -> int:
        """The parts, inputs and shards that were read or written; none that tells of them."""
        keys = [key.split("/") for key in self._of("GET", "PUT")]
        return sum(not key[-1].startswith("_") and not set(NOTES) & set(key) for key in keys)

    @property
    def requests_a_file(self) -> float:
        return len(self.requests) / max(self.files, 1)

    @property
    def times_read(self) -> float:
        """Bytes of objects that were received, by those of the objects that were read."""
        return self.received / max(sum(self.sizes.get(key, 0) for key in self._of("GET")), 1)

    def of_artifact(self, name: str) -> int:
        """Bytes received of the parts of an artifact."""
        keys = (one for one in self.requests if f"/{name}/" in one.key and one.key.endswith(".arrow"))
        return sum(one.received for one in keys if not one.listing)

    @property
    def received(self) -> int:
        return sum(one.received for one in self.requests if not one.listing)

    def __str__(self) -> str:
        return (
            f"{len(self.requests):5} requests, {self.files:4} files, {self.requests_a_file:.2f} a file; received "
            f"{self.received:,} bytes, {self.times_read:.2f} times those that were read"
        )


Counted = Callable[..., dict[str, Asked]]


@pytest.fixture
def counted(proxy: CountingProxy, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Runs a job, and tells what each of its stages asked for."""

    def run(job: Run, last: str | None = None) -> dict[str, Asked]:
        marks = [(START, len(proxy.requests))]
        execute = run_directory.execute_stage

        def marked(stage: Any, *arguments: Any) -> None:
            marks.append((stage.name, len(proxy.requests)))
            execute(stage, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(run_directory, "execute_stage", marked)
            run_directory.execute(beam_job.RECIPE, job, None, last)
        ends = [*(begin for _, begin in marks[1:]), len(proxy.requests)]
        sizes = {one.key: one.sent for one in proxy.requests if one.method == "PUT"}
        found = {name: Asked(proxy.requests[begin:end], sizes) for (name, begin), end in zip(marks, ends, strict=True)}
        print("".join(f"\n{name:<10} {asked}" for name, asked in found.items()))
        return found

    return run


def lines(words: Sequence[str], files: int, documents: int, length: int) -> Iterator[bytes]:
    """The content of some files of JSONL."""
    rng = random.Random(5)
    for file in range(files):
        texts = (text(rng, words, length) for _ in range(documents))
        records = ({"id": f"{file}-{number}", "text": one} for number, one in enumerate(texts))
        yield b"".join(json.dumps(record).encode() + b"\n" for record in records)


def text(rng: random.Random, words: Sequence[str], length: int) -> str:
    """So many words, half of them small ones, in sentences that no rule drops."""
    found = [word for one in rng.choices(words, k=length // 2) for word in (one, rng.choice(SMALL_WORDS))]
    return "".join(" ".join(found[start : start + 12]).capitalize() + ". " for start in range(0, len(found), 12))


@pytest.fixture
def job(corpus: Any, bucket: Any, configure: Callable[..., Path], tmp_path: Path) -> Callable[..., Run]:
    """A run on the store, of inputs of such a shape there."""
    import s3fs

    def make(files: int, documents: int, length: int, stretch: int, part_bytes: int = 2**15, **sections: Any) -> Run:
        inputs, output = f"{bucket()}/in", f"{bucket()}/run"
        contents = enumerate(lines(corpus.words, files, documents, length))
        s3fs.S3FileSystem().pipe({f"{inputs}/{number:03}.jsonl": content for number, content in contents})
        s3fs.S3FileSystem.clear_instance_cache()  # as in a new process
        ingest = {"inputs": [inputs], "part_bytes": part_bytes, "split_bytes": stretch}
        config = configure(tmp_path / "run", **{"ingest": ingest, **sections})
        return Run(load(config, [f"output={output}"]))

    return make


def test_a_part_takes_few_requests_and_is_read_once(job: Callable[..., Run], counted: Counted) -> None:
    run = job(*PARTS, refine={"fix_unicode": True})
    asked = counted(run)
    assert len(run.manifest("documents").parts) >= 40
    assert {name: one.requests_a_file for name, one in asked.items() if one.requests_a_file > MOST_REQUESTS} == {}
    assert {name: one.times_read for name, one in asked.items() if one.times_read > MOST_BYTES} == {}


def test_what_is_done_is_not_asked_for_again(
    job: Callable[..., Run], counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, put, left = job(*SMALL), builds.put_part, iter(range(DONE))

    def some(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise StorageError("ends here")
        return put(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(notes, "TOGETHER_SECONDS", 0)
        patch.setattr(builds, "put_part", some)
        with pytest.raises(StorageError):
            counted(run, "ingest")
    asked = counted(run, "ingest")["ingest"]
    inputs = [one.key for one in asked.requests if "/in/" in one.key and not one.listing]
    finished = len(run.manifest("documents").parts) - DONE
    assert len(inputs) == len(set(inputs))
    assert len(inputs) <= SMALL[0] * (finished + 1) / (finished + DONE)


def test_small_inputs_are_asked_for_few_times(job: Callable[..., Run], counted: Counted) -> None:
    asked = counted(job(*SMALL), "ingest")
    assert max(one.requests_a_file for one in asked.values()) <= MOST_REQUESTS
    assert max(one.times_read for one in asked.values()) <= MOST_BYTES


def test_long_inputs_are_read_twice(job: Callable[..., Run], counted: Counted) -> None:
    asked = counted(job(*LONG), "ingest")["ingest"]
    assert asked.requests_a_file <= MOST_REQUESTS
    assert asked.times_read <= MOST_BYTES + 0.2  # the first bytes of each, and 64 KiB behind each stretch


@pytest.mark.parametrize("mapped", [False, True])
def test_pack_fetches_tokens_once_and_of_documents_what_their_table_takes(
    mapped: bool, job: Callable[..., Run], counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever form, and with two workers, of which each would fetch all else."""
    run = job(*LARGE, pack={"context_length": 512, "shard_bytes": 2**21})
    counted(run, "order")
    monkeypatch.setattr(runner, "START_SECONDS", 1e-9)
    monkeypatch.setattr(pack, "maps_tokens", lambda *asked: mapped)
    asked = counted(Run(run.config, Runner(2)), "pack")["pack"]
    shards = [key for key in asked.sizes if "/shards/" in key and key.endswith(".arrow")]
    received = {name: asked.of_artifact(name) / run.manifest(name).bytes for name in ("tokens", "documents", "signals")}
    assert len(shards) > 3
    assert list(pack.verify(run)) == []
    assert 0.9 <= received["tokens"] <= 1.2
    assert received["documents"] <= 0.5
    assert received["signals"] <= 0.6


def test_lengths_take_no_tokens(job: Callable[..., Run], counted: Counted, proxy: CountingProxy) -> None:
    run = job(*LARGE)
    counted(run, "tokenize")
    begin, tokens = len(proxy.requests), run.manifest("tokens")
    lengths = document_lengths(run.artifact("tokens"))
    asked = [one for one in proxy.requests[begin:] if one.key.endswith(".arrow")]
    assert len(lengths) == tokens.rows > 1000
    assert 4 * lengths.sum() > 0.9 * tokens.bytes
    assert len(asked) == len(tokens.parts)
    assert sum(one.received for one in asked) < 20 * tokens.rows + 2**13 * len(tokens.parts) < tokens.bytes / 10

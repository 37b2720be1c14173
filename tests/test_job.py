"""The whole job as a user runs it: the same bytes however it is run or killed, and one line for every mistake."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import psutil
import pytest
from job_runs import PACK, changed, content, mistake, written

from sequitur import beam_job
from sequitur.pipeline import builds, run_directory
from sequitur.pipeline.config import load
from sequitur.pipeline.names import NEIGHBORS
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run, wanted
from sequitur.pipeline.storage import Directory
from sequitur.shards import ContextDataset

MAIN = "from sequitur.command_line.main import main; "
SEQUITUR = [sys.executable, "-c", f"{MAIN}main()"]
# Runs jobs in worker processes however little there is to do.
EAGER = [sys.executable, "-c", f"{MAIN}from sequitur.pipeline import runner; runner.START_SECONDS = 1e-9; main()"]
Configure = Callable[..., Path]
Sequitur = Callable[..., Any]  # returns how the command ended: code, out, err


@pytest.fixture(scope="module")
def undisturbed(configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of `sequitur run`, which nothing got in the way of. Not to be changed."""
    root = tmp_path_factory.mktemp("job") / "run"
    command = [*SEQUITUR, "run", str(configure(root)), "--workers", "1"]  # each more would import torch
    subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture
def copy(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(undisturbed, tmp_path / "copy"))


def test_a_finished_run_is_sound_and_running_it_again_changes_nothing(
    undisturbed: Path, configure: Configure, sequitur: Sequitur
) -> None:
    before = written(undisturbed)
    config = configure(undisturbed)
    again = sequitur("run", config)
    assert again.code == 0
    assert again.err.count("done before") == len(wanted(beam_job.RECIPE, load(config)))
    assert sequitur("verify", undisturbed) == (0, f"{undisturbed}: sound\n", "")
    assert written(undisturbed) == before


def test_killed_in_every_stage_beam_job_ends_with_the_bytes_of_sequitur_run(
    undisturbed: Path, configure: Configure, tmp_path: Path
) -> None:
    points = ["documents:3", "signals:4", "selection/_candidates:1", "selection/_shingles:2", "selection:3"]
    points += ["tokens:2", "tokens:5:before", "vectors:3", "neighbors/_round-0:4", "neighbors/_round-1:2"]
    points += ["neighbors:3", "order:1", "shards:1", "shards:3", "report:1", "report:2"]
    root = tmp_path / "run"
    script = Path(__file__).with_name("killed_job.py")
    # -P: the folder of the script, whose folders are named as our packages are, is no place to import from.
    command = [sys.executable, "-P", str(script), str(configure(root)), str(root), *points]
    # What Beam keeps in temporary files stays behind when it is killed.
    ended = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert ended.returncode == 0, ended.stderr
    assert content(root) == content(undisturbed)
    last = written(root)
    kills = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(kills) == len(points)
    for parts in kills:
        assert parts
        assert {name: last[name] for name in parts} == {name: tuple(status) for name, status in parts.items()}


def test_two_processes_give_the_same_bytes_as_one(
    configure: Configure, corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = len(corpus.lines) // 2
    for name, lines in (("a", corpus.lines[:half]), ("b", corpus.lines[half:])):
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(lines))
    sections = {
        "ingest": {"inputs": [str(tmp_path / "*.jsonl")], "split_bytes": 2**20},
        "neighbors": {"duplicate_cosine": 1.01},
        "pack": {**PACK, "validation_share": 0},
    }
    one, two = tmp_path / "one", tmp_path / "two"
    run_directory.execute(beam_job.RECIPE, Run(load(configure(one, **sections))))
    job = Run(load(configure(two, **sections)), Runner(2))
    for stage in wanted(beam_job.RECIPE, job.config):
        with monkeypatch.context() as patched:
            if stage.name in ("ingest", "select", "embed", "neighbors", "pack"):  # the others have nothing of their own
                patched.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
            run_directory.execute(beam_job.RECIPE, job, stage.name, stage.name)
    by_index = content(one)
    assert by_index == content(two)
    sections["neighbors"] = {**sections["neighbors"], "method": "cells"}
    jobs = [Run(load(configure(output, **sections)), Runner(workers)) for output, workers in ((one, 1), (two, 2))]
    for job in jobs:
        with monkeypatch.context() as patched:
            patched.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
            job.root.remove(NEIGHBORS)  # by settings it is the same
            run_directory.execute(beam_job.RECIPE, job, "neighbors")
    assert content(one) == by_index
    assert content(two) == by_index


def start_annotating(root: Path, configure: Configure) -> subprocess.Popen[str]:
    """Begins the second stage over many small parts in two worker processes, and waits for its first part."""
    config = configure(root, ingest={"part_bytes": 3000})
    run_directory.execute(beam_job.RECIPE, Run(load(config)), None, "ingest")
    job = subprocess.Popen(
        [*EAGER, "run", str(config), "--only", "annotate", "--workers", "2"],
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(root.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while job.poll() is None and not list((root / "signals").glob("*/_parts/*.json")):
        time.sleep(0.001)
    return job


def gone(session: int) -> bool:
    """Whether no process of a session is left, after a while at most."""

    def members() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    return not psutil.wait_procs(members(), timeout=30)[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_worker_processes_end_with_the_job(configure: Configure, tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "run"
    job = start_annotating(root, configure)
    if number == signal.SIGINT:
        job.send_signal(number)
    else:  # all at once, as a machine that shuts down does
        os.killpg(job.pid, number)
    out, err = job.communicate()
    if number != signal.SIGKILL:
        assert (job.returncode, out) == (128 + number, "")
        assert err.splitlines()[-1] == "error: interrupted; the same command goes on from here"
        assert "Traceback" not in err
    else:
        assert job.returncode == -number
    assert gone(job.pid)
    assert {path.name for path in root.parent.iterdir()} <= {"run", "run.yaml"}  # TMPDIR
    # Killed between a part and its note, a job writes that part again.
    noted = [part.path for part in builds.written_parts(builds.current(Directory(str(root / "signals"))))]
    before = written(root)
    run_directory.execute(beam_job.RECIPE, Run(load(root.with_suffix(".yaml"))), "annotate", "annotate")
    after = written(root)
    parts = [f"signals/{path}" for path in noted]
    assert parts
    assert [after[name] for name in parts] == [before[name] for name in parts]
    assert not [name for name in after if "_parts" in name or ".tmp" in name]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"order": {"strategy": "iclm"}}, {"order", "shards", "report"}),
        ({"pack": {**PACK, "validation_share": 0.1}}, {"shards", "report"}),
        (
            {"select": {"thresholds": {"gopher_too_few_words": 5}}},
            {"selection", "tokens", "vectors", "neighbors", "order", "shards", "report"},
        ),
        ({"embed": {"batch_size": 7}}, set()),
        ({"ingest": {"max_reject_share": 0.5}}, set()),
    ],
)
def test_a_change_redoes_only_what_depends_on_it(
    copy: Path, configure: Configure, sections: dict[str, Any], expected: set[str]
) -> None:
    before = written(copy)
    run_directory.execute(beam_job.RECIPE, Run(load(configure(copy, **sections))))
    assert changed(before, written(copy)) == expected


def test_rows_are_those_of_datasets_and_of_torch(undisturbed: Path) -> None:
    for split in ("train", "val"):
        rows = datasets.load_from_disk(str(undisturbed / "shards" / split)).with_format("numpy")
        contexts = ContextDataset(undisturbed / "shards", split=split)
        assert len(rows) == len(contexts)
        for number in (0, 1, len(rows) // 2, len(rows) - 1):
            np.testing.assert_array_equal(rows[number]["input_ids"], contexts.row(number))


def flip(path: Path) -> None:
    """Changes one byte in the middle of a file."""
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])


@pytest.mark.parametrize(
    "pattern",
    [
        "documents/*/part-*",
        "rejects/*/part-*",
        "signals/*/part-*",
        "selection/*/part-*",
        "tokens/*/part-*",
        "tokens/tokenizer.json",
        "vectors/*/part-*",
        "neighbors/*/part-*",
        "neighbors/duplicates/*/part-*",
        "order/*/part-*",
        "shards/train/*.arrow",
        "shards/val/*.arrow",
        "shards/docs/*.parquet",
        "shards/manifest.json",
        "shards/tokenizer.json",
        "report/metrics.json",
        "report/page.json",
    ],
)
def test_a_flipped_byte_is_found(copy: Path, pattern: str) -> None:
    damaged = sorted(copy.glob(pattern))[0]
    flip(damaged)
    config = run_directory.read_config(Directory(str(copy)))
    problems = list(run_directory.problems(beam_job.RECIPE, Run(config)))
    assert problems
    artifact = str(copy / pattern.split("/")[0])
    assert all(problem.startswith(artifact) for problem in problems[:1])
    assert not any("\n" in problem for problem in problems)


def test_verify_names_what_is_damaged(copy: Path, sequitur: Sequitur) -> None:
    damaged = sorted(copy.glob("signals/*/part-*"))[0]
    flip(damaged)
    ended = sequitur("verify", copy)
    assert (ended.code, ended.err) == (1, f"error: {copy}: 1 problem\n")
    assert ended.out.startswith(f"{damaged}: damaged (its checksum differs from the manifest's); delete it and run ag")
    damaged.unlink()
    run_directory.execute(beam_job.RECIPE, Run(run_directory.read_config(Directory(str(copy)))))
    assert sequitur("verify", copy) == (0, f"{copy}: sound\n", "")


def test_a_corrupt_part_stops_the_stage_that_reads_it(copy: Path, configure: Configure, sequitur: Sequitur) -> None:
    damaged = sorted(copy.glob("documents/*/part-*"))[1]
    flip(damaged)
    before = content(copy)
    config = configure(copy, tokenize={"vocabulary": 500})
    line = mistake(sequitur("run", config, "--from", "tokenize"))
    assert line.startswith(f"{damaged}: damaged (its checksum differs from the manifest's)")
    assert changed(before, content(copy)) == {"tokens"}


def test_a_part_cut_short_is_no_reason_to_begin_anew_in_silence(
    copy: Path, configure: Configure, sequitur: Sequitur
) -> None:
    damaged = sorted(copy.glob("documents/*/part-*"))[1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert mistake(sequitur("run", configure(copy))).startswith(f"{damaged}: damaged (")


def test_outputs_that_belong_to_others(copy: Path, configure: Configure, sequitur: Sequitur, tmp_path: Path) -> None:
    before = content(copy)
    other = mistake(sequitur("run", configure(copy, ingest={"text_field": "id"})), 78)
    assert other.startswith(f"{copy}: holds the documents of another configuration (ingest.text_field was text)")
    assert content(copy) == before
    (tmp_path / "file").write_text("precious")
    assert "is a file" in mistake(sequitur("run", configure(tmp_path / "file")), 78)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("precious")
    assert "holds chapter.txt and no run" in mistake(sequitur("run", configure(tmp_path / "thesis")), 78)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    undisturbed: Path,
    configure: Configure,
    sequitur: Sequitur,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "run"
    config = configure(root)
    flushed, sync = 0, os.fsync

    def full(file: int) -> None:
        nonlocal flushed
        flushed += 1
        if flushed > 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        line = mistake(sequitur("run", config, "--until", "annotate"), 75)
    assert line.startswith(str(root))
    assert line.endswith(": the disk is full; free some space and run the same command again")
    with monkeypatch.context() as patched:
        patched.setattr(Directory, "free_bytes", lambda directory: 10)
        assert f"{root}: " in (line := mistake(sequitur("run", config), 75))
        assert "10 B are free" in line
    assert sequitur("run", config, "--until", "annotate").code == 0
    made = content(root)
    assert {name.split("/")[0] for name in made} == {"documents", "rejects", "signals"}
    assert {name: content(undisturbed)[name] for name in made} == made

"""A finished run is brought up to date with other input files: the bytes of a fresh run, and no more work than needed.

A fresh run that is given the tokenizer and the model which the updated one keeps has equal bytes, but for the report,
which shows its configuration.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_runs import content

from sequitur import beam_job
from sequitur.pipeline import artifacts, former, run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.errors import CorruptPart, ForeignDirectory, MissingArtifact
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.stages.embed.stage import EmbedText
from sequitur.stages.tokenize.stage import EncodeText

Files = dict[str, list[bytes]]  # lines by file name
MAPPED, ROWS = ("documents", "refined", "signals"), ("tokens", "vectors")


class World:
    """A folder of files, and runs over it."""

    def __init__(self, root: Path, lines: list[bytes]) -> None:
        self.root, self.data = root, root / "data"
        small = {f"{number:02}.jsonl": lines[9 * number : 9 * number + 9] for number in range(16)}
        self.files: Files = {**small, "big.jsonl": lines[150:230], "many.parquet": lines[230:270]}
        self.more: Files = {"05-more.jsonl": lines[270:279], "big-more.jsonl": lines[279:]}

    def write(self, files: Files) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        for name, lines in files.items():
            if name.endswith(".parquet"):
                rows = [json.loads(line) for line in lines]
                columns = {key: [row.get(key) for row in rows] for key in ("id", "text", "source")}
                pq.write_table(pa.table(columns), self.data / name, row_group_size=10)
            else:
                (self.data / name).write_bytes(b"\n".join(lines) + b"\n")

    def settings(self, output: Path, **sections: Any) -> dict[str, Any]:
        made: dict[str, Any] = {
            "output": str(output),
            "ingest": {"inputs": [str(self.data)], "part_bytes": 12_000, "split_bytes": 20_000},
            "refine": {"fix_unicode": True},
            "tokenize": {"vocabulary": 400},
            "embed": {"lexical_dimensions": 32},
            "neighbors": {"k": 8},
            "pack": {"context_length": 128, "validation_share": 0.2},
        }
        return {**made, **{name: {**made.get(name, {}), **section} for name, section in sections.items()}}

    def run(
        self, output: Path, last: str | None = None, *, workers: int = 1, refit: bool = False, **sections: Any
    ) -> Run:
        """The run, or its stages up to one. What is after `embed` is made anew by any update."""
        job = Run(validate(self.settings(output, **sections), "settings"), Runner(workers))
        run_directory.execute(beam_job.RECIPE, job, None, last, refit=refit)
        return job

    def given(self, output: Path, **sections: Any) -> dict[str, Any]:
        """The sections by which a fresh run is given what an updated one keeps."""
        kept = output / "fitted"
        tokenizer = {"tokenizer": str(kept / "tokenizer" / "tokenizer.json"), **sections.get("tokenize", {})}
        return {**sections, "tokenize": tokenizer, "embed": {"model": str(kept / "model"), **sections.get("embed", {})}}


@pytest.fixture(scope="module")
def world(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> World:
    rejected = b'{"id": "no text"}'
    lines = [line for number, line in enumerate(corpus.lines) if number not in corpus.rejected]
    return World(tmp_path_factory.mktemp("update"), [*lines[:20], rejected, *lines[20:]])


@pytest.fixture(scope="module")
def finished(world: World) -> Path:
    """A finished run over the first files. Not to be changed."""
    world.write(world.files)
    return Path(world.run(world.root / "finished").config.output)


@pytest.fixture
def copy(world: World, finished: Path, tmp_path: Path) -> Path:
    """A copy of it, and the files as they were."""
    world.write(world.files)
    return Path(shutil.copytree(finished, tmp_path / "run"))


def changed_files(world: World, how: str) -> Files:
    """The files, with some more, gone, edited or under other names."""
    files = dict(world.files)
    if how in ("added", "all"):
        files |= world.more
    if how in ("removed", "all"):
        del files["07.jsonl"]
    if how in ("renamed", "all"):
        files["zz.jsonl"] = files.pop("03.jsonl")
    if how in ("edited", "all"):
        files["10.jsonl"] = [*files["10.jsonl"][:4], *files["10.jsonl"][5:]]
        files["big.jsonl"] = [*files["big.jsonl"][:40], *world.more["05-more.jsonl"][:2], *files["big.jsonl"][41:]]
        files["many.parquet"] = files["many.parquet"][1:]
    return files


def made(root: Path, *artifacts: str) -> dict[str, str]:
    """The checksums of what a run made, but of the report and of what an updated one keeps; or of some artifacts, but
    of what is kept of former ones."""
    found = {name: sum_ for name, sum_ in content(root).items() if name.split("/")[0] not in ("report", "fitted")}
    if not artifacts:
        return found
    folders = {name: json.loads((root / name / "_manifest.json").read_text())["folder"] for name in artifacts}
    return {name: sum_ for name, sum_ in found.items() if name.startswith(tuple(map("/".join, folders.items())))}


def inodes(root: Path, artifact: str) -> set[int]:
    return {path.stat().st_ino for path in (root / artifact).rglob("part-*.arrow")}


@pytest.mark.parametrize(
    "how", [*(pytest.param(one, marks=pytest.mark.borders) for one in ("added", "removed")), "all"]
)
def test_an_updated_run_has_the_bytes_of_a_fresh_one(world: World, copy: Path, how: str, tmp_path: Path) -> None:
    before = {artifact: inodes(copy, artifact) for artifact in MAPPED}
    world.write(changed_files(world, how))
    updated = world.run(copy)
    fresh = world.run(tmp_path / "fresh", **world.given(copy))
    assert made(copy) == made(tmp_path / "fresh")
    for stage in beam_job.RECIPE:
        assert updated.manifest(stage.artifact).fingerprint == fresh.manifest(stage.artifact).fingerprint
    for artifact, old in before.items():
        assert len(inodes(copy, artifact) & old) >= len(old) / (4 if how == "all" else 2)
    assert list(run_directory.problems(beam_job.RECIPE, updated)) == []
    assert {one.state for one in run_directory.status(beam_job.RECIPE, updated)} == {"done"}
    assert not list(copy.rglob(former.FORMER))
    assert not (copy / "_state" / run_directory.UPDATE).exists()


def test_only_new_documents_are_computed(world: World, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: dict[type, int] = {EmbedText: 0, EncodeText: 0}
    for transform in computed:
        process = transform.process  # type: ignore[attr-defined]

        def counting(self: Any, rows: Any, transform: type = transform, process: Any = process) -> Any:
            computed[transform] += int(np.count_nonzero(rows[1].column("kept").to_numpy(zero_copy_only=False)))
            return process(self, rows)

        monkeypatch.setattr(transform, "process", counting)
    kept = artifacts.require_manifest(Run(validate(world.settings(copy), "")).artifact("selection")).statistics["kept"]
    world.write(changed_files(world, "added"))
    job = world.run(copy)
    assert job.manifest("selection").statistics["kept"] > kept
    for count in computed.values():
        assert 0 < count < kept / 3


def test_what_changed_is_said_in_a_line(world: World, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world.write(changed_files(world, "all"))
    job = Run(validate(world.settings(copy), "settings"), progress=Progress())
    run_directory.execute(beam_job.RECIPE, job, None, "ingest")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("update")]
    assert "input files: 3 more, 3 changed, 2 gone; what was made of the 13 that are as they were is kept" in line
    assert line.endswith("; so is what was fitted: the trained tokenizer, the fitted model")


def test_updates_follow_each_other(world: World, copy: Path, tmp_path: Path) -> None:
    world.write(changed_files(world, "added"))
    world.run(copy)
    old = inodes(copy, "vectors")
    world.write({**changed_files(world, "added"), "zzz.jsonl": world.files["03.jsonl"][:3]})
    world.run(copy, "embed")
    world.run(tmp_path / "fresh", "embed", **world.given(copy))
    assert made(copy, *ROWS) == made(tmp_path / "fresh", *ROWS)
    assert len(inodes(copy, "vectors") & old) >= len(old) - 2  # nothing before it has other ordinals


def test_refit_fits_anew_what_was_kept(world: World, copy: Path, tmp_path: Path) -> None:
    world.write(changed_files(world, "added"))
    world.run(tmp_path / "fresh", "embed")
    world.run(copy, "embed")
    assert made(copy, *MAPPED) == made(tmp_path / "fresh", *MAPPED)
    assert made(copy, *ROWS) != made(tmp_path / "fresh", *ROWS)
    world.run(copy, "embed", refit=True)
    assert made(copy, *ROWS) == made(tmp_path / "fresh", *ROWS)
    assert not (copy / "fitted").exists()
    world.write(world.files)
    world.run(copy, "ingest", refit=True)
    assert not (copy / "fitted").exists()


@pytest.mark.borders
def test_killed_and_resumed_an_update_ends_with_the_same_bytes(world: World, copy: Path, tmp_path: Path) -> None:
    points = ["rejects:1", "documents:9", "refined:3:before", "signals:9", "selection:2"]
    points += ["tokens:2", "vectors:4", "neighbors:1"]
    world.write(changed_files(world, "all"))
    config = tmp_path / "run.yaml"
    config.write_text(json.dumps(world.settings(copy)))
    script = Path(__file__).with_name("killed_job.py")
    command = [sys.executable, "-P", str(script), str(config), str(copy), *points]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    world.run(tmp_path / "fresh", **world.given(copy))
    assert made(copy) == made(tmp_path / "fresh")
    assert not list(copy.rglob(former.FORMER))


@pytest.mark.borders
def test_two_processes_update_to_the_same_bytes(
    world: World, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(changed_files(world, "all"))
    monkeypatch.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
    world.run(copy, "tokenize", workers=2)
    monkeypatch.undo()
    world.run(tmp_path / "fresh", "tokenize", **world.given(copy))
    assert made(copy, *MAPPED, "tokens") == made(tmp_path / "fresh", *MAPPED, "tokens")


def test_other_files_again_before_the_update_is_done(world: World, copy: Path, tmp_path: Path) -> None:
    before = inodes(copy, "signals")
    world.write(changed_files(world, "added"))
    world.run(copy, "refine")
    world.write(changed_files(world, "all"))
    world.run(copy, "embed")
    assert len(inodes(copy, "signals") & before) >= len(before) / 4
    world.run(tmp_path / "fresh", "embed", **world.given(copy))
    assert made(copy, *MAPPED, *ROWS) == made(tmp_path / "fresh", *MAPPED, *ROWS)


def test_a_given_model_keeps_the_weights_of_words(world: World, tiny_model: Path, tmp_path: Path) -> None:
    sections = {"embed": {"model": str(tiny_model), "device": "cpu"}, "tokenize": {"tokenizer": "bytes"}}
    world.write(world.files)
    world.run(tmp_path / "run", "embed", **sections)
    world.write(changed_files(world, "added"))
    world.run(tmp_path / "run", "embed", **sections)
    embed = {**sections["embed"], "term_weights": str(tmp_path / "run" / "fitted" / "words")}
    world.run(tmp_path / "fresh", "embed", **{**sections, "embed": embed})
    assert made(tmp_path / "run", *ROWS) == made(tmp_path / "fresh", *ROWS)


def test_another_configuration_is_refused_as_before(world: World, copy: Path) -> None:
    world.write(changed_files(world, "added"))
    with pytest.raises(ForeignDirectory, match=r"ingest\.text_field was text"):
        world.run(copy, ingest={"text_field": "body"})
    with pytest.raises(ForeignDirectory, match="what is said of the inputs"):
        world.run(copy, ingest={"inputs": [{"path": str(world.data), "source": "mine"}]})
    with pytest.raises(MissingArtifact, match="run --from ingest"):
        run_directory.execute(beam_job.RECIPE, Run(validate(world.settings(copy), "")), "annotate")


def test_a_damaged_note_of_what_is_kept_is_refused(world: World, copy: Path) -> None:
    world.write(changed_files(world, "added"))
    world.run(copy, "tokenize")
    (copy / "fitted" / "model" / "modules.json").write_text("[]")
    with pytest.raises(CorruptPart, match="not what was put aside; run with --refit"):
        world.run(copy)

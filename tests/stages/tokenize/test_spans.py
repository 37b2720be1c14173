"""Repeated spans in the job: told of, or taken out of the tokens, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur import beam_job
from sequitur.pipeline import builds, run_directory
from sequitur.pipeline.errors import OverMemory
from sequitur.pipeline.names import SPANS
from sequitur.pipeline.stage import Run
from sequitur.stages.tokenize import spans as token_spans
from sequitur.stages.tokenize import stage as tokenize

LENGTH = 20
KEEP_COPIES = {"rules": "none", "fuzzy_duplicates": False, "exact_duplicates": False}
Execute = Callable[..., Run]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents that share boilerplate: at the start, in the middle, at the end, twice, as a whole, and not at all."""
    boilerplate = "This notice must be kept in all copies. "
    documents = [
        "First of all. " + boilerplate + "Then comes what is new.",
        boilerplate + "Something that nobody said before.",
        "Another opening, " + boilerplate.strip(),
        boilerplate,
        "One[" + boilerplate + "2<" + boilerplate + "4",
        "aaaaaaaaaa" * 6,
        "Short.",
        "First of all. " + boilerplate + "Then comes what is new.",
    ]
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(documents)))
    return path


@pytest.fixture(scope="module")
def of_mode(texts: Path, execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The tokens of these documents, by what was done about repeated spans. Not to be changed."""

    def run(mode: str) -> Run:
        options = {"tokenizer": "bytes", "repeated_spans": mode, "span_tokens": LENGTH}
        ingest = {"inputs": [str(texts)], "part_bytes": 100}
        output = tmp_path_factory.mktemp(mode) / "run"
        return execute(output, "tokenize", ingest=ingest, select=KEEP_COPIES, tokenize=options)

    return {mode: run(mode) for mode in ("ignore", "report", "remove")}


def ids(run: Run, rows: Any) -> list[list[int]]:
    return [row["input_ids"] for row in rows(run, "tokens")]


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_spans_are_told_with_their_first_occurrence(of_mode: dict[str, Run], rows: Any) -> None:
    run = of_mode["report"]
    whole, spans = ids(run, rows), rows(run, SPANS)
    assert len(run.manifest("tokens").parts) > 2
    assert run.manifest(SPANS).names == run.manifest("tokens").names
    assert [span["ordinal"] for span in spans] == [1, 2, 3, 4, 4, 5, 7]
    for span in spans:
        here = whole[span["ordinal"]][span["start"] :][: span["length"]]
        assert here == whole[span["duplicate_of"]][span["duplicate_start"] :][: span["length"]]
        assert len(here) == span["length"] >= LENGTH
    assert (spans[-1]["duplicate_of"], spans[-1]["start"], spans[-1]["length"]) == (0, 0, len(whole[7]) - 1)


def test_reporting_leaves_the_tokens_as_they_were(of_mode: dict[str, Run], rows: Any) -> None:
    assert ids(of_mode["report"], rows) == ids(of_mode["ignore"], rows)
    assert "repeated_spans" not in of_mode["ignore"].manifest("tokens").statistics
    assert not of_mode["ignore"].artifact(SPANS).exists()
    counts = of_mode["report"].manifest("tokens").statistics["repeated_spans"]
    assert (counts["spans"], counts["removed_tokens"]) == (7, 0)


def test_removing_takes_out_the_spans_and_keeps_every_end(of_mode: dict[str, Run], rows: Any) -> None:
    run = of_mode["remove"]
    whole, left = ids(of_mode["ignore"], rows), ids(run, rows)
    expected = [list(document) for document in whole]
    for span in reversed(rows(run, SPANS)):
        del expected[span["ordinal"]][span["start"] : span["start"] + span["length"]]
    assert left == expected
    assert bytes(left[4][:-1]).decode() == "One[2<4"
    assert left[7] == [tokenize.BYTES_END]
    assert rows(run, SPANS) == rows(of_mode["report"], SPANS)
    counts = run.manifest("tokens").statistics["repeated_spans"]
    assert counts["removed_tokens"] == counts["repeated_tokens"] == sum(map(len, whole)) - sum(map(len, left))
    assert not run.artifact(token_spans.WHOLE).exists()
    assert list(tokenize.verify(run)) == []


@pytest.mark.parametrize("mode", ["report", "remove"])
def test_what_is_lost_or_interrupted_is_made_again_with_the_same_bytes(
    of_mode: dict[str, Run], tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = files(Path(of_mode[mode].config.output, "tokens"))
    output = shutil.copytree(of_mode[mode].config.output, tmp_path / "run")
    run = Run(of_mode[mode].config.model_copy(update={"output": str(output)}))
    (output / "tokens" / run.manifest("tokens").parts[1].path).unlink()
    run_directory.execute(beam_job.RECIPE, run, None, "tokenize")
    assert files(output / "tokens") == expected

    shutil.rmtree(output / "tokens")
    written, write = [], builds.put_part

    def fail_late(directory: Any, name: str, *others: Any, **options: Any) -> Any:
        written.append(name)
        if len(written) == len(run.manifest("selection").parts) + 3:
            raise KeyboardInterrupt
        return write(directory, name, *others, **options)

    with monkeypatch.context() as patched:
        patched.setattr(builds, "put_part", fail_late)
        with pytest.raises(KeyboardInterrupt):
            run_directory.execute(beam_job.RECIPE, run, None, "tokenize")
    run_directory.execute(beam_job.RECIPE, run, None, "tokenize")
    assert files(output / "tokens") == expected


def test_too_little_memory_is_said_before_any_is_taken(
    of_mode: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = shutil.copytree(of_mode["report"].config.output, tmp_path / "run")
    shutil.rmtree(output / "tokens")
    config = of_mode["report"].config
    small = config.tokenize.model_copy(update={"span_memory": 1000})
    run = Run(config.model_copy(update={"output": str(output), "tokenize": small}))
    monkeypatch.setattr(token_spans, "repeated_spans", None)
    with pytest.raises(OverMemory, match=r"among 4\d\d tokens takes \S+ KiB and tokenize\.span_memory allows 1000 B"):
        run_directory.execute(beam_job.RECIPE, run, None, "tokenize")


def test_ids_above_two_bytes_are_told_apart() -> None:
    assert [token_spans.token_bytes(ids) for ids in (257, 2**16, 2**16 + 1)] == [2, 2, 4]


def test_a_whole_job_without_repeated_spans_balances(branch: Callable[..., Run], finished: Run, rows: Any) -> None:
    run = branch("run", tokenize={"repeated_spans": "remove", "span_tokens": 12})
    counts = run.manifest("tokens").statistics["repeated_spans"]
    lost = sum(map(len, ids(finished, rows))) - sum(map(len, ids(run, rows)))
    assert counts["removed_tokens"] == lost > 0
    report = json.loads(run.artifact("report").read_bytes("metrics.json"))
    assert report["ledger"]["balances"]
    assert report["stages"]["tokens"]["repeated_spans"] == counts
    assert np.all(np.diff([span["ordinal"] for span in rows(run, SPANS)]) >= 0)
    assert list(run_directory.problems(beam_job.RECIPE, run)) == []

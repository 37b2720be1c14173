"""A signal of the user's own stands among ours: rules, trials and histograms go by it; what it does wrong is a line."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sequitur import beam_job
from sequitur.inspection.rules_trial import try_rules
from sequitur.pipeline import artifacts, builds, run_directory
from sequitur.pipeline.config import overridden, validate
from sequitur.pipeline.errors import ConfigError, OwnModuleFailed
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run, expected
from sequitur.stages.annotate import own_signals
from sequitur.stages.annotate import stage as annotate
from sequitur.stages.annotate.declaration import parameters
from sequitur.stages.report.signals import signal_histograms
from sequitur.stages.shared.judge import judge_of

Write = Callable[[str, str], Path]
VOWELS = """import pyarrow.compute as pc


def signal(text):
    return pc.divide(pc.cast(pc.count_substring_regex(text, "[aeiou]"), "float64"), pc.utf8_length(text))
"""


def signal_of(texts: list[str], part: str = "part-00000-0000.arrow", module: str = "mine.one") -> pa.Array:
    (found,) = own_signals.columns(own_signals.load([module]), pa.array(texts, pa.large_string()), part).values()
    return found


def test_a_rule_goes_by_an_own_signal(write_own: Write, execute: Any, rows: Any) -> None:
    file = write_own("vowel_share", VOWELS)
    limits = [{"signal": "vowel_share", "min": 0.36, "name": "few_vowels"}]
    own = {"own_signals": "mine.vowel_share"}

    run = execute(file.parents[2] / "run", "select", annotate=own, select={"limits": limits})

    shares = [row["vowel_share"] for row in rows(run, "signals")]
    assert shares == [sum(map(row["text"].count, "aeiou")) / len(row["text"]) for row in rows(run)]
    few = [row["reason"] == "few_vowels" for row in rows(run, "selection")]
    assert 0 < sum(few) < len(few)
    assert all(share < 0.36 for share, dropped in zip(shares, few, strict=True) if dropped)
    assert list(annotate.verify(run)) == []
    parameters = run.manifest("signals").parameters
    assert parameters["own_signals"] == {"mine.vowel_share": hashlib.sha256(file.read_bytes()).hexdigest()}

    trial = try_rules(run, overridden(run.config, ["select.limits=[{signal: vowel_share, min: 0.4}]"]), 1)
    assert trial["reasons"]["limit_vowel_share"]["then"] > trial["reasons"]["few_vowels"]["now"] > 0
    assert trial["dropped"][0]["value"] < 0.4
    histograms = signal_histograms(run.root, judge_of(run.config.select), run.config.annotate)
    (histogram,) = [one for one in histograms if one["signal"] == "vowel_share"]
    assert histogram["rules"] == [{"name": "few_vowels", "min": 0.36, "max": None, "dropped": sum(few)}]
    with pytest.raises(ConfigError, match="no signal vowel_shares; did you mean vowel_share"):
        expected(beam_job.RECIPE, overridden(run.config, ["select.limits=[{signal: vowel_shares, min: 0.4}]"]))


def test_worker_processes_give_the_same_bytes(
    write_own: Write, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own("vowel_share", VOWELS)
    monkeypatch.delenv("PYTHONPATH")  # workers import from where their parent does
    monkeypatch.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
    checksums = []
    for workers in (1, 2):
        content = settings(tmp_path / f"run-{workers}", annotate={"own_signals": ["mine.vowel_share"]})
        run = Run(validate(content, "settings"), Runner(workers))
        run_directory.execute(beam_job.RECIPE, run, None, "annotate")
        checksums.append([part.checksum for part in run.manifest("signals").parts])
    assert checksums[0] == checksums[1]
    assert len(checksums[0]) > 2


def test_its_source_is_part_of_the_fingerprint_and_without_it_nothing_is(write_own: Write, finished: Run) -> None:
    config = overridden(finished.config, ["annotate.own_signals=[mine.vowel_share]"])
    found = []
    for more in ("", "# another\n"):
        write_own("vowel_share", VOWELS + more)
        found.append(expected(beam_job.RECIPE, config))
    assert found[0]["documents"] == found[1]["documents"]
    assert found[0]["signals"] != found[1]["signals"]
    assert "own_signals" not in parameters(finished.config)


@pytest.mark.parametrize(
    ("returned", "stored"),
    [
        ("[1, 2.5, 3]", [1.0, 2.5, 3.0]),
        ("np.array([True, False, True])", [1.0, 0.0, 1.0]),
        ("np.arange(3, dtype=np.uint8)", [0.0, 1.0, 2.0]),
        ("np.array([0.5, np.nan, np.inf], np.float32)", [0.5, None, np.inf]),
        ("pa.array([1, None, 3])", [1.0, None, 3.0]),
        ("pa.chunked_array([[1], [2, 3]])", [1.0, 2.0, 3.0]),
    ],
)
def test_numbers_of_any_kind_are_stored_as_float64(write_own: Write, returned: str, stored: list[Any]) -> None:
    write_own("one", f"import numpy as np\nimport pyarrow as pa\n\ndef signal(text):\n    return {returned}\n")
    found = signal_of(["a", "b", "c"])
    assert found.type == pa.float64()
    assert found.null_count == 0
    assert [None if np.isnan(value) else value for value in found.to_pylist()] == stored


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("[1.0]", r"returned float64 \[1\], not 3 numbers, one for each text"),
        ("np.ones((3, 1))", r"returned float64 \[3, 1\], not 3 numbers"),
        ("1.0", r"returned float64 \[\], not 3 numbers"),
        ("None", r"returned object \[\], not 3 numbers"),
        ("['a', 'b', 'c']", r"returned <U1 \[3\], not 3 numbers"),
        ("[1, [2], 3]", r"raised ValueError: .*inhomogeneous"),
        ("1 / 0", r"raised ZeroDivisionError: division by zero \(line 4 of .*one.py\); mend .*one.py$"),
    ],
)
def test_what_is_no_signal_of_the_part_is_said_in_a_line(write_own: Write, returned: str, complaint: str) -> None:
    write_own("one", f"import numpy as np\n\ndef signal(text):\n    return {returned}\n")
    with pytest.raises(OwnModuleFailed, match=complaint) as failed:
        signal_of(["a", "b", "c"], "part-00007-0000.arrow")
    assert str(failed.value).startswith("part-00007-0000.arrow: annotate.own_signals mine.one: ")
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_in_the_job_is_one_line(
    write_own: Write, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    write_own("one", "def signal(text):\n    return text.nothing\n")
    monkeypatch.setattr("sequitur.pipeline.runner.START_SECONDS", 1e-9)
    run = Run(validate(settings(tmp_path / "run", annotate={"own_signals": ["mine.one"]}), "settings"), Runner(workers))
    with pytest.raises(OwnModuleFailed, match=r"^part-\S+: annotate.own_signals mine.one: raised AttributeError: .*$"):
        run_directory.execute(beam_job.RECIPE, run, None, "annotate")


@pytest.mark.parametrize(
    ("own", "models", "complaint"),
    [
        (
            ["mine.word_count"],
            {},
            "own_signals mine.word_count: there is a signal word_count already; rename the module",
        ),
        (["mine.minhash"], {}, "there is a signal minhash already"),
        (["mine.topic"], {"topic": {"path": "topic.bin"}}, "there is a signal topic already"),
        (["mine.one", "mine.deeper.one"], {}, "annotate.own_signals mine.deeper.one: there is a signal one already"),
        (["mine.One"], {}, "One cannot name a signal; rename the module in lower case"),
        (["mine.absent"], {}, "annotate.own_signals mine.absent: no such module; install it"),
        (["one"], {}, "annotate.own_signals one: is no import path; write it as my_package.my_module"),
    ],
)
def test_names_that_clash_or_are_none_are_refused(
    settings: Any, write_own: Write, own: list[str], models: dict[str, Any], complaint: str
) -> None:
    write_own("one", "def signal(text): ...")
    config = validate(settings(Path("run"), annotate={"own_signals": own, "models": models}), "settings")
    with pytest.raises(ConfigError, match=complaint):
        parameters(config)


def test_verify_finds_a_part_without_a_signal(branch: Callable[..., Run]) -> None:
    run = branch("run", "annotate")
    directory, part = run.artifact("signals"), run.manifest("signals").parts[1]
    batch = artifacts.read_part(directory, part)
    build = builds.Build(directory, run.manifest("signals").fingerprint)
    builds.write_part(build, part.name, batch.drop_columns(["word_count"]), compress=False)
    (problem,) = annotate.verify(run)
    assert problem == f"{directory.path(part.path)}: lacks word_count; delete it and run again"

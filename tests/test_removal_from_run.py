"""Documents are taken out of the shards of a run: it stays sound, accounts for them, and does not bring them back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.errors import CorruptPart, RemovalsUndone
from sequitur.pipeline.lock import exclusive
from sequitur.pipeline.stage import Run
from sequitur.shards.find import Query
from sequitur.shards.removal.removing import remove
from sequitur.shards.totals import totals

Sequitur = Callable[..., Any]


def problems(run: Run) -> list[str]:
    return list(run_directory.problems(beam_job.RECIPE, run))


def ledger(run: Run) -> Any:
    return run.artifact("report").read_json("metrics.json")["ledger"]


def some_ids(run: Run, rows: Any, count: int) -> list[str]:
    """Record ids of placed documents."""
    kept = [row["kept"] and row["ordinal"] is not None for row in rows(run, "selection")]
    duplicates = {row["ordinal"] for row in rows(run, "neighbors/duplicates")}
    ordinals = [row["ordinal"] for row in rows(run, "selection")]
    records = zip(rows(run), kept, ordinals, strict=True)
    return [row["record_id"] for row, here, ordinal in records if here and ordinal not in duplicates][:count]


@pytest.mark.parametrize(
    "pack",
    [{}, {"policy": "filled"}, {"policy": "buckets", "validation_share": 0.0}, {"policy": "stream"}],
    ids=["whole", "filled", "buckets", "stream"],
)
def test_a_run_stays_sound_and_accounts_for_what_was_removed(
    branch: Any, sequitur: Sequitur, rows: Any, tmp_path: Path, pack: dict[str, Any]
) -> None:
    run = branch("run", pack={"context_length": 1024, "validation_share": 0.1, **pack})
    before = ledger(run)
    ids = some_ids(run, rows, 8)
    (tmp_path / "ids").write_text("\n".join(ids[:4]) + "\n\n")

    ended = sequitur("remove", run.config.output, "--doc-ids", tmp_path / "ids", "--json")
    assert (ended.code, problems(run)) == (0, []), ended.err
    told = json.loads(ended.out)
    assert told["report"] == run.artifact("report").path()
    after = ledger(run)
    assert after["balances"]
    assert after["records"]["removed"] == 4
    assert after["records"]["placed"] == before["records"]["placed"] - 4
    assert (
        after["tokens"]["removed"] == before["tokens"]["of_placed_documents"] - after["tokens"]["of_placed_documents"]
    )

    ended = sequitur("remove", run.config.output, *(f"--doc-id={name}" for name in ids[4:]), "--contexts", "drop")
    assert (ended.code, problems(run)) == (0, []), ended.err
    assert ended.out.count("removed 4 documents") == 1 or pack.get("policy") == "buckets"
    again = ledger(run)
    assert again["balances"]
    assert again["records"]["removed"] >= 8
    assert again["records"]["removed"] + again["records"]["placed"] == before["records"]["placed"]
    statistics = run.manifest("shards").statistics
    assert statistics["documents"] == again["records"]["placed"]
    assert statistics["dropped_tokens"] == again["tokens"]["dropped_by_packing"]
    assert statistics == {**statistics, **vars(totals(run.artifact("shards").path()))}


def test_running_again_brings_nothing_back(branch: Any, sequitur: Sequitur, rows: Any) -> None:
    run = branch("run")
    (name,) = some_ids(run, rows, 1)
    assert sequitur("remove", run.config.output, "--doc-id", name).code == 0
    manifest = run.manifest("shards")
    run_directory.execute(beam_job.RECIPE, run)
    assert run.manifest("shards") == manifest

    changed = Run(run.config.model_copy(update={"pack": run.config.pack.model_copy(update={"context_length": 512})}))
    with pytest.raises(RemovalsUndone, match=r"shards/removals/removal-00001\.json: .* delete .*/shards, run again"):
        run_directory.execute(beam_job.RECIPE, changed)
    record = Path(run.artifact("shards").path("removals/removal-00001.json"))
    copy = Path(run.config.output).with_name("copy.json")
    copy.write_bytes(record.read_bytes())
    changed.root.remove("shards")
    run_directory.execute(beam_job.RECIPE, changed)
    assert "removed" not in ledger(changed)["records"]
    assert sequitur("remove", run.config.output, "--doc-ids", copy).code == 0
    assert ledger(changed)["records"]["removed"] == 1
    assert problems(changed) == []


def test_a_removal_cut_short_before_the_run_knew_is_finished(branch: Any, sequitur: Sequitur, rows: Any) -> None:
    run = branch("run")
    (name,) = some_ids(run, rows, 1)
    remove(run.artifact("shards").path(), Query((name,)))  # without the run's manifest
    assert problems(run)
    with pytest.raises((RemovalsUndone, CorruptPart)):
        run_directory.execute(beam_job.RECIPE, run)
    ended = sequitur("remove", run.config.output, "--doc-id", name)
    assert (ended.code, ended.out) == (0, "nothing to remove: none of these documents is there\n")
    assert problems(run) == []
    assert ledger(run)["records"]["removed"] == 1


def test_nothing_is_removed_while_a_run_goes_on(branch: Any, sequitur: Sequitur, rows: Any) -> None:
    run = branch("run")
    (name,) = some_ids(run, rows, 1)
    with exclusive(run.root):
        ended = sequitur("remove", run.config.output, "--doc-id", name)
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "is writing this run" in ended.err
    assert problems(run) == []

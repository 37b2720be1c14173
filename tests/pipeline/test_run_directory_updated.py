"""A run directory that is brought up to date with other input files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sequitur.pipeline import artifacts, former
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ForeignDirectory, MissingArtifact
from sequitur.pipeline.names import FITTED
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.run_directory import CONFIG, UPDATE, execute
from sequitur.pipeline.stage import Stage
from sequitur.pipeline.storage import Directory

Recipe = tuple[Stage, Stage]


def test_a_run_is_updated_to_other_inputs(
    make_run: Any, recipe: Recipe, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was made before is kept until all is up to date, however many commands that takes."""
    count, double = recipe
    aside: list[str] = []

    def put_aside(root: Directory, config: Config) -> str:
        aside.append(root.url)
        return "the model"

    execute(recipe, make_run())
    other = (
        replace(count, version=2, changes=lambda before, now: f"{before.rows} rows before", reuses=True),
        replace(double, put_aside=put_aside, reuses=True),
    )
    told = replace(make_run(), progress=Progress())
    execute(other, told, None, "count")
    assert "update     6 rows before; so is what was fitted: the model" in capsys.readouterr().err
    assert former.find(told.artifact("documents"), artifacts.require_manifest(told.artifact("documents")).fingerprint)
    assert len(former.manifests(told.artifact("documents"))) == 1
    execute(other, told)
    assert len(aside) == 1
    assert calls == ["count", "double", "count", "double"]
    assert [former.manifests(told.artifact(name)) for name in ("documents", "doubled")] == [[], []]
    assert not told.artifact("_state").exists(UPDATE)
    with pytest.raises(MissingArtifact, match="run --from count"):
        execute((replace(other[0], version=3), other[1]), make_run(), "double")


def test_what_was_put_aside_is_dropped_when_asked_for(make_run: Any, recipe: Recipe) -> None:
    run = make_run()
    execute(recipe, run)
    (run.root / FITTED).write_bytes("model", b"fitted")
    execute(recipe, run)
    assert run.root.exists(FITTED)
    execute(recipe, run, refit=True)
    assert not run.root.exists(FITTED)


def test_changed_inputs_are_named(make_run: Any, recipe: Recipe) -> None:
    execute(recipe, make_run())
    count, double = recipe

    with pytest.raises(ForeignDirectory, match="or the version that read them is another"):
        execute((replace(count, version=2), double), make_run())
    (Path(make_run().config.output) / CONFIG).write_text("[")
    with pytest.raises(ForeignDirectory, match=r"its config.yaml cannot be read"):
        execute((replace(count, version=2), double), make_run())

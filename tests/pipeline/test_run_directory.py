"""A run directory: brought up to date with as little work as will do, never another's, and honest about its state."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from sequitur.pipeline import artifacts, builds, lock
from sequitur.pipeline.errors import ConfigError, CorruptPart, ForeignDirectory, MissingArtifact, RunLocked
from sequitur.pipeline.run_directory import CONFIG, execute, problems, read_config, status
from sequitur.pipeline.stage import Run, Stage
from sequitur.pipeline.storage import Directory

Recipe = tuple[Stage, Stage]


def states(recipe: Recipe, run: Run) -> list[str]:
    return [one.state for one in status(recipe, run)]


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_each_stage_runs_once(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    assert states(recipe, make_run()) == ["absent", "absent"]
    execute(recipe, make_run())
    execute(recipe, make_run())

    assert calls == ["count", "double"]
    documents, doubled = status(recipe, make_run())
    assert (documents.name, documents.artifact, documents.state) == ("count", "documents", "done")
    assert (doubled.parts, doubled.rows) == (2, 6)
    assert doubled.bytes > 0
    assert doubled.seconds is not None
    values = artifacts.read_columns(make_run().artifact("doubled"), ["value"])["value"].to_pylist()
    assert values == [0, 2, 4, 6, 8, 10]
    assert list(problems(recipe, make_run())) == []


def test_a_run_may_lie_on_any_file_system(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    run = make_run(output="memory://bucket/run")
    execute(recipe, run)
    execute(recipe, run)

    assert calls == ["count", "double"]
    assert states(recipe, run) == ["done", "done"]
    assert list(problems(recipe, run)) == []
    assert read_config(run.root) == run.config
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_stages_can_be_chosen(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    execute(recipe, make_run(), None, "count")
    assert calls == ["count"]
    execute(recipe, make_run(), "double", "double")
    assert calls == ["count", "double"]
    execute(recipe, make_run(annotate={"shingle_words": 6}), "count", "count")
    assert states(recipe, make_run()) == ["done", "done"]
    execute(recipe, make_run(annotate={"shingle_words": 6}), "double")
    assert calls == ["count", "double", "double"]


def test_a_stage_that_is_not_asked_for_may_be_named(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    """As a fixed list of commands does, one for each stage."""
    count, double = recipe
    recipe = (count, replace(double, wanted=lambda config: False))
    execute(recipe, make_run(), "double", "double")
    execute(recipe, make_run(), "count", "double")
    assert calls == ["count"]


def test_stage_without_its_parent_is_refused(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    with pytest.raises(
        MissingArtifact, match="double needs documents, which is absent or out of date; run --from count"
    ):
        execute(recipe, make_run(), "double")
    assert calls == []


@pytest.mark.parametrize(
    ("first", "last", "complaint"),
    [
        ("cuont", None, "no stage cuont; the stages are count, double"),
        (None, "pack", "no stage pack; the stages are count, double"),
        ("double", "count", "no stage lies from double until count; their order is count, double"),
    ],
)
def test_wrong_choice_of_stages(
    make_run: Any, recipe: Recipe, first: str | None, last: str | None, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        execute(recipe, make_run(), first, last)
    assert not make_run().root.exists()


def test_changed_setting_makes_stale_and_reruns_what_depends_on_it(
    make_run: Any, recipe: Recipe, calls: list[str]
) -> None:
    execute(recipe, make_run())
    changed = make_run(annotate={"shingle_words": 6})

    assert states(recipe, changed) == ["done", "stale"]
    execute(recipe, changed)

    assert calls == ["count", "double", "double"]
    assert states(recipe, changed) == ["done", "done"]
    assert states(recipe, make_run()) == ["done", "stale"]


def test_missing_inputs_make_nothing_stale(make_run: Any, recipe: Recipe) -> None:
    execute(recipe, make_run())

    assert states(recipe, make_run(ingest={"inputs": ["gone"]})) == ["done", "done"]


@pytest.mark.parametrize(
    ("sections", "difference"),
    [({"name": "other"}, "name was corpus"), ({"ingest": {"text_field": "body"}}, "ingest.text_field was text")],
)
def test_documents_of_another_configuration_are_not_overwritten(
    make_run: Any, recipe: Recipe, calls: list[str], sections: dict[str, Any], difference: str
) -> None:
    execute(recipe, make_run())

    with pytest.raises(
        ForeignDirectory, match=rf"holds the documents of another configuration \({difference}\); choose"
    ):
        execute(recipe, make_run(**sections))
    assert calls == ["count", "double"]
    assert states(recipe, make_run()) == ["done", "done"]


def test_changed_inputs_are_named(make_run: Any, recipe: Recipe) -> None:
    execute(recipe, make_run())
    count, double = recipe

    with pytest.raises(ForeignDirectory, match="the input files have changed since"):
        execute((replace(count, version=2), double), make_run())
    (Path(make_run().config.output) / CONFIG).write_text("[")
    with pytest.raises(ForeignDirectory, match=r"its config.yaml cannot be read"):
        execute((replace(count, version=2), double), make_run())


def test_output_that_is_a_file_is_refused(make_run: Any, recipe: Recipe) -> None:
    output = Path(make_run().config.output)
    output.write_text("mine")

    with pytest.raises(ForeignDirectory, match=r"run: is a file; choose another output"):
        execute(recipe, make_run())
    assert output.read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.tex", ".hidden", CONFIG])
def test_directory_with_something_else_is_refused(make_run: Any, recipe: Recipe, name: str) -> None:
    output = Path(make_run().config.output)
    output.mkdir()
    (output / name).write_text("mine")

    with pytest.raises(ForeignDirectory, match=rf"run: holds {name} and no run; choose another output"):
        execute(recipe, make_run())
    assert [(path.name, path.read_text()) for path in output.iterdir()] == [(name, "mine")]


def test_empty_directory_is_a_fine_output(make_run: Any, recipe: Recipe) -> None:
    Path(make_run().config.output).mkdir()

    execute(recipe, make_run())


def test_directory_that_another_process_writes_is_refused(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    with lock.exclusive(make_run().root), pytest.raises(RunLocked):
        execute(recipe, make_run())
    assert calls == []


@pytest.fixture
def interrupted(make_run: Any, recipe: Recipe) -> Run:
    """A run whose second stage was interrupted after its first part."""
    run: Run = make_run()

    def one_part(run: Run) -> Mapping[str, Any]:
        batch = pa.record_batch({"value": [-1, -1, -1]})
        builds.write_part(run.build("doubled"), "part-00000.arrow", batch, compress=False)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute((recipe[0], replace(recipe[1], work=one_part)), run)
    return run


def test_interrupted_stage_goes_on_where_it_stopped(interrupted: Run, recipe: Recipe, calls: list[str]) -> None:
    documents, doubled = status(recipe, interrupted)
    assert (documents.state, doubled.state) == ("done", "interrupted")
    assert (doubled.parts, doubled.rows, doubled.seconds) == (1, 3, None)
    with lock.exclusive(interrupted.root):
        assert states(recipe, interrupted) == ["done", "running"]
    assert any("doubled: absent or unfinished" in problem for problem in problems(recipe, interrupted))

    execute(recipe, interrupted)

    assert calls == ["count", "double"]
    values = artifacts.read_columns(interrupted.artifact("doubled"), ["value"])["value"].to_pylist()
    assert values == [-1, -1, -1, 6, 8, 10]


def test_interrupted_parts_of_other_settings_are_not_taken_over(
    interrupted: Run, make_run: Any, recipe: Recipe
) -> None:
    changed, left_over = make_run(annotate={"shingle_words": 6}), interrupted.build("doubled")

    def work(run: Run) -> Mapping[str, Any]:
        statistics = recipe[1].work(run)
        for name in ("part-00000.arrow", "part-00001.arrow"):  # the engine goes on with what the killed process began
            builds.write_part(left_over, name, pa.record_batch({"value": [-1, -1, -1]}), compress=False)
        return statistics

    execute((recipe[0], replace(recipe[1], work=work)), changed)

    assert artifacts.read_columns(changed.artifact("doubled"), ["value"])["value"].to_pylist() == [0, 2, 4, 6, 8, 10]
    assert list(problems(recipe, changed)) == []


def test_lost_part_is_rebuilt(make_run: Any, recipe: Recipe, calls: list[str]) -> None:
    run = make_run()
    execute(recipe, run)
    manifest = run.manifest("doubled")
    run.artifact("doubled").remove(manifest.parts[1].path)
    assert states(recipe, run) == ["done", "damaged"]

    execute(recipe, run)

    assert calls == ["count", "double", "double"]
    assert run.manifest("doubled") == manifest


def test_part_of_another_size_stops_the_run(make_run: Any, recipe: Recipe) -> None:
    run = make_run()
    execute(recipe, run)
    part = run.manifest("documents").parts[1]
    (run.artifact("documents") / part.folder).write_bytes(part.name, b"short")

    assert states(recipe, run) == ["damaged", "done"]
    with pytest.raises(CorruptPart, match=r"/part-00001.arrow: damaged \(5 bytes where .* delete it and run"):
        execute(recipe, run)
    run.artifact("documents").remove(part.path)
    execute(recipe, run)
    assert states(recipe, run) == ["done", "done"]


def test_damaged_manifest_is_a_state_and_a_problem(make_run: Any, recipe: Recipe) -> None:
    run = make_run()
    execute(recipe, run)
    run.artifact("documents").write_bytes(artifacts.MANIFEST, b"{}")

    assert states(recipe, run) == ["damaged", "done"]
    found = list(problems(recipe, run))
    assert "documents/_manifest.json: not a manifest of this program" in found[0]
    assert "doubled: made from another documents than is there" in found[1]


def test_flipped_byte_is_a_problem_and_ends_the_look_at_content(make_run: Any, recipe: Recipe) -> None:
    looked_at = []

    def verify(run: Run) -> Iterator[str]:
        looked_at.append("doubled")
        yield "doubled: looks odd"

    run = make_run()
    verifying = (recipe[0], replace(recipe[1], verify=verify))
    execute(verifying, run)
    assert list(problems(verifying, run)) == ["doubled: looks odd"]

    flip_byte(Path(run.artifact("documents").path(run.manifest("documents").parts[0].path)))
    (found,) = problems(verifying, run)
    assert "/part-00000.arrow: damaged (its checksum differs" in found
    assert looked_at == ["doubled"]


def test_error_while_verifying_is_a_problem(make_run: Any, recipe: Recipe) -> None:
    def verify(run: Run) -> Iterator[str]:
        yield "first"
        raise MissingArtifact("tokens: not finished")

    execute(recipe, make_run())
    assert list(problems((replace(recipe[0], verify=verify), recipe[1]), make_run())) == [
        "first",
        "tokens: not finished",
    ]


def test_other_parent_is_a_problem(make_run: Any, recipe: Recipe) -> None:
    run = make_run()
    execute(recipe, run)
    manifest = replace(run.manifest("doubled"), parents={"documents": "another"})
    run.artifact("doubled").write_json(artifacts.MANIFEST, manifest.to_json())

    (found,) = problems(recipe, run)
    assert "doubled: made from another documents than is there; run again" in found


def test_stored_configuration_is_the_resolved_one_wherever_it_lies(make_run: Any, recipe: Recipe) -> None:
    run = make_run(annotate={"shingle_words": 6})
    execute(recipe, run)
    assert read_config(run.root) == run.config

    moved = Path(run.config.output).rename(Path(run.config.output).with_name("moved"))
    assert read_config(Directory(str(moved))) == run.config.model_copy(update={"output": str(moved)})
    assert states(recipe, Run(read_config(Directory(str(moved))))) == ["done", "done"]


def test_place_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForeignDirectory, match=r"none: no run is there; give the `output`"):
        read_config(Directory(str(tmp_path / "none")))


@pytest.mark.parametrize("content", [b"", b"[", b"- 1", b"\xff", b"a: 2024-13-45"])
def test_damaged_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONFIG).write_bytes(content)

    with pytest.raises(CorruptPart, match=r"config.yaml: .*run again with your configuration"):
        read_config(Directory(str(tmp_path)))

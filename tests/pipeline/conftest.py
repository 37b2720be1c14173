"""A tiny recipe of two stages, and directories on two kinds of file system."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sequitur.pipeline import builds
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.errors import InputError
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Estimate, Run, Stage
from sequitur.pipeline.storage import Directory

MakeRun = Callable[..., Run]


@pytest.fixture(params=["local", "memory"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Directory]:
    """A directory that does not exist yet."""
    if request.param == "local":
        yield Directory(str(tmp_path / "run" / "documents"))
    else:
        yield Directory("memory://run/documents")
        fsspec.filesystem("memory").store.clear()
        fsspec.filesystem("memory").pseudo_dirs[:] = [""]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """The least that a configuration must say."""
    return {"output": str(tmp_path / "run"), "ingest": {"inputs": [str(tmp_path / "in.jsonl")]}}


@pytest.fixture
def config(settings: dict[str, Any]) -> Config:
    return validate(settings, "config.yaml")


@pytest.fixture
def make_run(settings: dict[str, Any]) -> MakeRun:
    """A run of the tiny recipe: `make_run(part_bytes=…, workers=…, <section>={…})`."""

    def make(workers: int = 1, **sections: Any) -> Run:
        ingest = {**settings["ingest"], **sections.pop("ingest", {})}
        return Run(validate({**settings, **sections, "ingest": ingest}, "config.yaml"), Runner(workers))

    return make


@pytest.fixture
def calls() -> list[str]:
    """Names of the stages whose work was done, in order."""
    return []


@pytest.fixture
def recipe(calls: list[str]) -> tuple[Stage, Stage]:
    """count: two parts of numbers → documents; double: documents → doubled."""

    class Double(beam.DoFn):
        def process(self, rows: tuple[str, pa.RecordBatch]) -> Iterator[tuple[str, pa.RecordBatch]]:
            name, batch = rows
            yield name, pa.record_batch({"value": pc.multiply(batch.column("value"), 2)})

    def count_parameters(config: Config) -> Mapping[str, Any]:
        if config.ingest.inputs == ["gone"]:
            raise InputError("gone: there is no such file; mend ingest.inputs")
        return {"name": config.name, "text_field": config.ingest.text_field}

    def count(run: Run) -> Mapping[str, Any]:
        calls.append("count")
        for part in range(2):
            batch = pa.record_batch({"value": pa.array([3 * part, 3 * part + 1, 3 * part + 2])})
            builds.write_part(run.build("documents"), f"part-{part:05}.arrow", batch, compress=False)
        return {"rows": 6}

    def double(run: Run) -> Mapping[str, Any]:
        calls.append("double")
        run.jobs.map_parts({run.artifact("documents"): ["value"]}, Double(), run.build("doubled"), step="doubling")
        return {}

    def double_parameters(config: Config) -> Mapping[str, Any]:
        return {"shingle_words": config.annotate.shingle_words}

    def nothing(run: Run) -> Estimate:
        return Estimate(memory=0, disk=0)

    return (
        Stage("count", "documents", 1, (), count_parameters, nothing, count),
        Stage("double", "doubled", 1, ("documents",), double_parameters, nothing, double),
    )

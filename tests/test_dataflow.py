"""Every job of every stage, translated by Beam's own runner for Dataflow, whose client alone is stood in for: nothing
is submitted. A graph may hold what all runners have, and nothing else."""

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import SetupOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow import internal
from apache_beam.runners.pipeline_context import PipelineContext
from apache_beam.transforms import environments

from sequitur import beam_job
from sequitur.pipeline import engines, run_directory
from sequitur.pipeline.config import validate
from sequitur.pipeline.names import NEIGHBORS, ORDER, SHARDS
from sequitur.pipeline.runner import Runner
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors import cell_assignment
from sequitur.stages.order import stage as order
from sequitur.stages.pack import stage as pack
from sequitur.stages.select import candidates, star_rounds

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "europe-west1-docker.pkg.dev/project-of-mine/images/sequitur:1"
OPTIONS = (
    "--runner=DataflowRunner",
    "--project=project-of-mine",
    "--region=europe-west1",
    "--temp_location=gs://a-bucket/temp",
    f"--sdk_container_image={IMAGE}",
    "--dry_run=true",
)
PRIMITIVES = {
    common_urns.primitives.IMPULSE.urn,
    common_urns.primitives.PAR_DO.urn,
    common_urns.primitives.FLATTEN.urn,
    common_urns.primitives.GROUP_BY_KEY.urn,
}
RESHUFFLE = common_urns.composites.RESHUFFLE.urn
Graph = beam_runner_api_pb2.Pipeline
Transforms = list[beam_runner_api_pb2.PTransform]


class Job(NamedTuple):
    """What would have been submitted, and the module of a stage that builds it."""

    graph: Graph
    built_by: str


class Client(ModuleType):
    """Stands in for the module with Dataflow's client, which needs Google's packages."""

    def __init__(self) -> None:
        super().__init__("apiclient")
        self.graphs: list[Graph] = []
        self.sessions: list[bool] = []  # whether `__main__` would go along

    def dependencies(self, options: Any) -> tuple[()]:
        """Stands in for the list of what is installed here, which pip would make for each job."""
        self.sessions.append(options.view_as(SetupOptions).save_main_session)
        return ()

    def get_container_image_from_options(self, options: Any) -> str:
        return IMAGE

    def Job(self, options: Any, graph: Graph) -> Graph:  # noqa: N802 - Beam calls it so
        self.graphs.append(graph)
        return graph


class Twice(Runner):
    """Translates each job for Dataflow, then runs it here."""

    def __init__(self, client: Client, jobs: list[Job]) -> None:
        super().__init__()
        self._client, self._jobs, self._elsewhere = client, jobs, Runner(1, OPTIONS)

    def keeping(self, directory: Directory, modules: Sequence[str] = ()) -> Runner:
        return self

    def run(self, build: Callable[[beam.Pipeline], object], elements: int, seconds: float = 0) -> None:
        self._elsewhere.run(build, elements)
        callers = [Path(frame.filename).resolve() for frame in traceback.extract_stack()]
        modules = [str(file.relative_to(ROOT)) for file in callers if file.is_relative_to(ROOT / "stages")]
        self._jobs.append(Job(self._client.graphs[-1], modules[-1] if modules else ""))
        super().run(build, elements, seconds)


@pytest.fixture(scope="module")
def client() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        stand_in = Client()
        patch.setitem(sys.modules, f"{internal.__name__}.apiclient", stand_in)
        patch.setattr(internal, "apiclient", stand_in, raising=False)
        patch.setattr(environments, "python_sdk_dependencies", stand_in.dependencies)
        yield stand_in


@pytest.fixture(scope="module")
def jobs(client: Client, settings: Any, corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    """Those of a run with all that makes jobs: neighbours by cells, tokens mapped, orders on threads; then neighbours
    by an index, tokens sent, orders on workers."""
    folder, found = tmp_path_factory.mktemp("dataflow"), []
    (folder / "evaluation.txt").write_text(corpus.texts[next(iter(corpus.topic))])
    sections = {
        "refine": {"max_line_repeats": 50},
        "select": {"decontaminate": [str(folder / "evaluation.txt")], "in_memory_links": 0, "alarm_share": 0.5},
        "tokenize": {"repeated_spans": "remove"},
        "embed": {"lexical_weight": 0.3, "lexical_dimensions": 64},
        "families": {"by": ["source"]},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "GROUP_BYTES", 2**10)  # so that keys are hot
        patch.setattr(star_rounds, "GROUP_BYTES", 2**6)
        patch.setattr(cell_assignment, "ALL_PAIRS", 0)  # so that there are cells
        for method, first in (("cells", None), ("index", "neighbors")):
            content = settings(folder / "run", neighbors={"method": method}, **sections)
            run = Run(validate(content, "settings"), Twice(client, found))
            for name in (NEIGHBORS, ORDER, SHARDS):  # by settings they are the same
                run.root.remove(name)
            patch.setattr(pack, "maps_tokens", lambda *asked, first=first: first is None)
            patch.setattr(order, "on_workers", lambda *asked, first=first: first is not None)
            run_directory.execute(beam_job.RECIPE, run, first, "pack")
    return found


def leaves(graph: Graph) -> Transforms:
    """The transforms that a runner has to know: those that hold no others, and Reshuffle as one."""
    every, found = graph.components.transforms, []
    left = list(graph.root_transform_ids)
    while left:
        transform = every[left.pop()]
        if transform.subtransforms and transform.spec.urn != RESHUFFLE:
            left += transform.subtransforms
        elif transform.spec.urn:
            found.append(transform)
    return found


def test_every_module_that_makes_jobs_has_its_graphs_translated(jobs: list[Job]) -> None:
    calls = (".runner.run(", "jobs.map_parts(")
    files = (ROOT / "stages").rglob("*.py")
    makers = {file.relative_to(ROOT).as_posix() for file in files if any(call in file.read_text() for call in calls)}
    assert len(makers) > 12
    assert {job.built_by for job in jobs} == makers


def test_graphs_hold_only_what_all_runners_have(jobs: list[Job]) -> None:
    for job in jobs:
        for transform in leaves(job.graph):
            what = f"{job.built_by}: {transform.unique_name}"
            assert transform.spec.urn in PRIMITIVES | {RESHUFFLE}, what
            if transform.spec.urn == common_urns.primitives.PAR_DO.urn:
                payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
                assert not payload.state_specs, what
                assert not payload.timer_family_specs, what
                assert not payload.restriction_coder_id, what
                assert not payload.requests_finalization, what
                assert not payload.requires_time_sorted_input, what


def test_keys_are_encoded_the_same_way_everywhere(jobs: list[Job]) -> None:
    grouped = 0
    for job in jobs:
        context = PipelineContext(job.graph.components)
        for transform in leaves(job.graph):
            if transform.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn:
                (source,) = transform.inputs.values()
                coder = context.coders.get_by_id(job.graph.components.pcollections[source].coder_id)
                assert coder.is_kv_coder(), transform.unique_name
                assert coder.key_coder().is_deterministic(), f"{job.built_by}: {transform.unique_name}"
                grouped += 1
    assert grouped >= 6


def test_they_run_in_the_image_and_take_nothing_of_this_process_along(jobs: list[Job], client: Client) -> None:
    assert len(client.sessions) >= len(jobs)
    assert not any(client.sessions)
    for job in jobs:
        for environment in job.graph.components.environments.values():
            assert environment.urn == common_urns.environments.DOCKER.urn
            assert beam_runner_api_pb2.DockerPayload.FromString(environment.payload).container_image == IMAGE


def test_what_looks_around_first_is_translated_too(client: Client, jobs: list[Job], tmp_path: Path) -> None:
    config = validate({"output": "gs://a-bucket/run", "ingest": {"inputs": ["gs://a-bucket/*.jsonl"]}}, "")
    Runner(1, OPTIONS).run(engines.look_around(config), 1)
    assert {transform.spec.urn for transform in leaves(client.graphs[-1])} <= PRIMITIVES

"""The image, without docker: its steps that install, in a clean environment; and the template's job, translated there
by Beam's runner with Google's own client.

`make test-install` runs these.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.install
ROOT = Path(__file__).resolve().parents[2]
IGNORED = (".*", "__pycache__", "*.egg-info", "build", "demo", "runs")
DRY_RUN = """
import runpy, sys
import apache_beam as beam
run, results = beam.Pipeline.run, []
beam.Pipeline.run = lambda pipeline, *given: results.append(run(pipeline, *given)) or results[-1]
runpy.run_path(sys.argv[1])["main"](sys.argv[2:])
print(*{environment.urn for environment in results[0].job.proto_pipeline.components.environments.values()})
"""


class Step(NamedTuple):
    """An instruction of a Dockerfile: `RUN`, and what follows it."""

    verb: str
    rest: str


class Image(NamedTuple):
    """What stands for the image: a folder for /template, and the programs of its environment."""

    template: Path
    programs: Path

    def run(self, *command: object, timeout: float = 1800) -> str:
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"PATH": path}
        env["PIP_FLAGS"] = os.environ.get("PIP_FLAGS", "")
        ended = subprocess.run(
            list(map(str, command)), cwd=self.template, env=env, capture_output=True, text=True, timeout=timeout
        )
        assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]
        return ended.stdout


def steps() -> list[Step]:
    text = (ROOT / "dataflow/Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n|\\\n", "", text, flags=re.MULTILINE).splitlines()
    return [Step(*line.split(" ", 1)) for line in lines if line]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """After all steps that copy and install."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "template").mkdir()
    made = Image(folder / "template", folder / "python/bin")
    uv = Path(sys.executable).with_name("uv")
    made.run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder / "python")
    for verb, rest in steps():
        if verb == "RUN":
            made.run("sh", "-ec", rest)
        elif verb == "COPY" and not rest.startswith("--from"):
            source, target = rest.split()
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns(*IGNORED)
                shutil.copytree(ROOT / source, made.template / target, symlinks=True, ignore=ignored)
            else:
                shutil.copyfile(ROOT / source, made.template / target)
    yield made
    shutil.rmtree(folder)


def test_the_image_is_of_this_beam_and_this_python() -> None:
    versions = (ROOT / "dataflow/requirements.txt").read_text()
    beam = re.search(r"^apache-beam==(\S+)", versions, re.MULTILINE)
    assert beam
    bases = [step.rest for step in steps() if step.verb == "FROM"]
    assert f"apache/beam_python3.11_sdk:{beam[1]}" in bases
    assert any(base.startswith("gcr.io/dataflow-templates-base/python311-template-launcher-base:") for base in bases)


def test_the_template_is_where_the_launcher_looks(image: Image) -> None:
    (told,) = [step.rest for step in steps() if step.verb == "ENV" and step.rest.startswith("FLEX_TEMPLATE_PYTHON_PY")]
    (folder,) = [step.rest for step in steps() if step.verb == "WORKDIR"]
    path = Path(told.partition("=")[2])
    assert path.parent == Path(folder)
    assert (image.template / path.name).is_file()
    assert not (image.template / "source").exists()


def test_its_job_is_translated_by_googles_client(image: Image) -> None:
    options = shlex.split(
        "--runner=DataflowRunner --project=project-of-mine --region=europe-west1 --temp_location=gs://a-bucket/temp "
        "--sdk_container_image=europe-west1-docker.pkg.dev/project-of-mine/images/sequitur:1 --dry_run=true "
        "--config=gs://a-bucket/my.yaml --until=embed"
    )
    said = image.run("python", "-c", DRY_RUN, "launch.py", *options)
    assert said.splitlines()[-1] == "beam:env:docker:v1"


def test_the_recipe_runs_in_it(image: Image) -> None:
    (image.template / "docs.jsonl").write_text('{"id": "a", "text": "one"}\n{"id": "b", "text": "two"}\n')
    (image.template / "my.yaml").write_text("output: run\ningest: {inputs: [docs.jsonl]}\n")

    image.run("python", "launch.py", "--runner=FnApiRunner", "--config=my.yaml", "--only=ingest", "--workers=1")

    assert (image.template / "run/documents/_manifest.json").is_file()
    assert "usage: " in image.run("python", "-m", "sequitur.beam_job", "--help")

"""The package as users have it: what the wheel and the source distribution hold, and that all works from anywhere.

`make test-install` runs these. The clean environments take the versions of this one, by hard links from uv's cache.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

import sequitur

pytestmark = pytest.mark.install

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
NAME = f"sequitur_data-{sequitur.__version__}"
IGNORED = (".*", "__pycache__", "*.egg-info", "build", "demo", "runs")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
DEMO = ("demo", "--max-documents", "300", "--workers", "2")
READ = """
import sys
from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler
dataset = ContextDataset(sys.argv[1], split="train")
loader = ContextDataLoader(dataset, ElasticBatchSampler.of(dataset, global_batch_size=4, seed=1))
print(*next(iter(loader))["input_ids"].shape)
"""
IMPORTABLE = "import sys, importlib.util as u; print(*(name for name in sys.argv[1:] if u.find_spec(name)))"

Install = Callable[..., Path]


class Built(NamedTuple):
    """The distributions."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


def run(*command: object, cwd: Path) -> str:
    """What a command that must succeed prints, elsewhere than in the repository."""
    ended = subprocess.run(
        list(map(str, command)), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=1800, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def versions(elsewhere: Path) -> Path:
    """What is installed here, as constraints."""
    path = elsewhere / "versions.txt"
    path.write_text(run(UV, "pip", "freeze", "--exclude-editable", "--python", sys.executable, cwd=elsewhere))
    return path


@pytest.fixture(scope="module")
def tree(elsewhere: Path) -> Path:
    """The repository, without what earlier builds left in it."""
    return Path(shutil.copytree(ROOT, elsewhere / "tree", symlinks=True, ignore=shutil.ignore_patterns(*IGNORED)))


@pytest.fixture(scope="module")
def built(tree: Path, versions: Path, elsewhere: Path) -> Built:
    build = (UV, "build", "--quiet", "--python", sys.executable, "--build-constraints", versions)
    run(*build, "--sdist", "--wheel", "--out-dir", "of-tree", tree, cwd=elsewhere)
    (sdist,), (wheel,) = (elsewhere / "of-tree").glob("*.tar.gz"), (elsewhere / "of-tree").glob("*.whl")
    run(*build, "--wheel", "--out-dir", "of-sdist", sdist, cwd=elsewhere)
    return Built(wheel, sdist, elsewhere / "of-sdist" / wheel.name)


@pytest.fixture(scope="module")
def install(versions: Path, elsewhere: Path) -> Iterator[Install]:
    """`install("folder", …)` installs into an environment, made if need be, and returns its folder of programs."""

    def into(folder: str, *what: object) -> Path:
        programs = elsewhere / folder / "bin"
        if not programs.exists():
            run(UV, "venv", "--quiet", "--python", sys.executable, folder, cwd=elsewhere)
        options = ("--quiet", "--constraints", versions, "--build-constraints", versions)
        flags = shlex.split(os.environ.get("PIP_FLAGS", ""))
        run(UV, "pip", "install", "--python", programs / "python", *options, *flags, *what, cwd=elsewhere)
        return programs

    yield into
    for programs in elsewhere.glob("*/bin"):
        shutil.rmtree(programs.parent)


@pytest.fixture(scope="module")
def programs(install: Install, built: Built) -> Path:
    """The programs of an environment with the wheel and what it says it needs."""
    return install("installed", built.wheel)


@pytest.fixture(scope="module")
def demo(programs: Path, elsewhere: Path) -> Path:
    """The directory of a demo that was interrupted, and went on to its end."""
    command = [programs / "sequitur", *DEMO]
    job = subprocess.Popen(command, cwd=elsewhere, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while job.poll() is None and not (elsewhere / "demo/run/documents/_manifest.json").exists():
        time.sleep(0.1)
    time.sleep(1)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=600)
    assert (job.returncode, said.splitlines()[-1]) == (130, "error: interrupted; the same command goes on from here")
    assert "Traceback" not in said
    assert run(*command, cwd=elsewhere).startswith("train[0] of ")
    return elsewhere / "demo"


def bare_names() -> list[str]:
    """What the folders of the repository are called, which are not to be imported under these names."""
    return [*sorted(link.stem for link in (ROOT / "sequitur").iterdir() if link.is_symlink()), "tests"]


def package_files() -> set[str]:
    """Every file below sequitur/, through its links."""
    return {
        (Path(folder) / name).relative_to(ROOT).as_posix()
        for folder, _, names in os.walk(ROOT / "sequitur", followlinks=True)
        for name in names
        if Path(folder).name != "__pycache__"
    }


def content(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_package_alone(built: Built) -> None:
    info = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt")
    held = content(built.wheel)

    assert held.keys() == package_files() | {f"{NAME}.dist-info/{name}" for name in info}
    assert held[f"{NAME}.dist-info/top_level.txt"] == b"sequitur\n"
    assert {name for name in package_files() if held[name] != (ROOT / name).read_bytes()} == set()


def test_the_source_distribution_holds_what_the_wheel_is_made_of(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
    names = {member.name.removeprefix(f"{NAME}/") for member in members}

    assert all(member.isreg() for member in members)
    of_setuptools = {name for name in names if name.startswith("sequitur_data.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - of_setuptools == package_files() | {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}
    assert content(built.wheel_of_sdist) == content(built.wheel)


def test_the_metadata_is_complete(built: Built) -> None:
    said = message_from_bytes(content(built.wheel)[f"{NAME}.dist-info/METADATA"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert (said["Name"], said["Version"]) == ("sequitur-data", sequitur.__version__)
    assert (said["License-Expression"], said["License-File"]) == ("Apache-2.0", "LICENSE")
    assert (said["Requires-Python"], said["Summary"]) == (project["requires-python"], project["description"])
    assert said.get_all("Classifier") == project["classifiers"]
    assert said["Keywords"].split(",") == project["keywords"]
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


def test_it_is_imported_quickly_by_one_name(programs: Path, elsewhere: Path) -> None:
    script = (
        "import sys, time; start = time.process_time(); import sequitur; seconds = time.process_time() - start\n"
        "heavy = {'apache_beam', 'torch', 'numba', 'pyarrow', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(seconds, sequitur.__version__)"
    )
    for _ in range(2):  # the first compiles
        seconds, version = run(programs / "python", "-c", script, cwd=elsewhere).split()
    assert float(seconds) < 0.5
    assert version == sequitur.__version__
    assert run(programs / "python", "-c", IMPORTABLE, *bare_names(), cwd=elsewhere) == "\n"


def test_the_demo_is_sound_and_again_done_at_once(programs: Path, demo: Path) -> None:
    def written() -> dict[Path, int]:
        made = [path for path in demo.rglob("*") if path.is_file() and path.name not in ("_lock", "config.yaml")]
        return {path: path.stat().st_mtime_ns for path in made}

    before = written()
    assert {path.name for path in demo.iterdir()} == {"python_docs.jsonl.zst", "run"}
    assert run(programs / "sequitur", "verify", "demo/run", cwd=demo.parent) == "demo/run: sound\n"
    assert run(programs / "sequitur", *DEMO, cwd=demo.parent).startswith("train[0] of ")
    assert written() == before


def test_the_recipe_runs_as_a_module(programs: Path, demo: Path, elsewhere: Path) -> None:
    shutil.copytree(demo / "run", elsewhere / "run")
    other = ("--set", "output=run", "--set", "pack.context_length=512")

    run(programs / "python", "-m", "sequitur.beam_job", "--config", demo / "run/config.yaml", *other, cwd=elsewhere)

    assert run(programs / "sequitur", "verify", "run", cwd=elsewhere) == "run: sound\n"
    assert run(programs / "python", "-c", READ, "run/shards", cwd=elsewhere) == "4 512\n"


@pytest.mark.parametrize("source", ["wheel", "directory", "editable"])
def test_shards_are_read_where_nothing_else_is_installed(
    source: str, install: Install, built: Built, tree: Path, demo: Path, elsewhere: Path
) -> None:
    what = {"wheel": [built.wheel], "directory": [tree], "editable": ["--editable", tree]}[source]
    install("reader", "pyarrow", "numpy", "torch")

    python = install("reader", "--no-deps", "--reinstall-package", "sequitur-data", *what) / "python"

    absent = ("apache_beam", "numba", "pydantic", "scipy", "typer", "yaml", *bare_names())
    assert run(python, "-c", IMPORTABLE, *absent, cwd=elsewhere) == "\n"
    assert run(python, "-c", READ, demo / "run/shards", cwd=elsewhere) == "4 2048\n"

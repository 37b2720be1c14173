"""What each room may import, by folder (docs/architecture.md): the cores stand alone, stages do not know each other,
the reader needs little, and everything is imported under the one installed name."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORES = ("text_core", "graph_sort", "shards")
ROOMS = (*CORES, "pipeline", "stages", "inspection", "api", "corpora", "command_line", "beam_job")
STAGES = sorted(folder.name for folder in (ROOT / "stages").iterdir() if (folder / "stage.py").exists())
MAY_IMPORT = {  # the longest folder that holds a file decides; a room may always import itself
    "text_core": (),
    "graph_sort": (),
    "shards": (),
    "pipeline": (),
    "stages/shared": ("pipeline", *CORES),
    **{f"stages/{name}": ("stages.shared", "pipeline", *CORES) for name in STAGES},
    "inspection": ("stages", "pipeline", *CORES),
    "api": ("beam_job", "inspection", "stages", "pipeline", *CORES),
    "corpora": ("pipeline",),
    "command_line": ROOMS,
    "dags": (),
    "dataflow": (),
    "beam_job.py": ("pipeline", *(f"stages.{name}" for name in STAGES)),
    "sequitur": ROOMS,
}
OF_THE_READER = {"pyarrow", "numpy", "torch"}
FILES = sorted(
    file.relative_to(ROOT)
    for top in MAY_IMPORT
    for file in ((ROOT / top).rglob("*.py") if (ROOT / top).is_dir() else [ROOT / top])
)


def imports(node: ast.AST) -> set[str]:
    """Dotted names of the modules that a tree imports, `from a import b` counting as a.b."""
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            names |= {alias.name for alias in inner.names}
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports here are absolute"
            names |= {f"{inner.module}.{alias.name}" for alias in inner.names}
    return names


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def tree(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), str(file))


def is_within(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


@pytest.mark.parametrize("file", FILES, ids=str)
def test_module_imports_of_ours_what_its_room_may(file: Path) -> None:
    room = next(str(place) for place in (file, *file.parents) if str(place) in MAY_IMPORT)
    allowed = (room.removesuffix(".py").replace("/", "."), *MAY_IMPORT[room])
    ours = {name.removeprefix("sequitur.") for name in imports(tree(file)) if is_within(name, "sequitur")}

    strangers = {name for name in ours if not any(is_within(name, one) for one in (*allowed, "__version__"))}
    assert not strangers, f"{file} is in {room}, which may import {', '.join(allowed)}"


def test_recipe_has_a_stage_for_each_folder() -> None:
    from sequitur import beam_job

    folders = {file.name for file in (ROOT / "stages").iterdir() if file.is_dir()} - {"shared", "__pycache__"}
    named = {stage.name for stage in beam_job.RECIPE}
    assert not set(STAGES) - named, f"beam_job.py: add {', '.join(sorted(set(STAGES) - named))} to RECIPE"
    assert not folders - set(STAGES), f"stages: {', '.join(sorted(folders - set(STAGES)))} has no stage.py"
    assert sorted(stage.name for stage in beam_job.RECIPE) == STAGES
    assert {file.name for file in (ROOT / "stages").glob("*.py")} == {"__init__.py"}


def test_nothing_is_imported_by_a_bare_name() -> None:
    """A module that is imported both as `sequitur.shards` and as `shards` is there twice, with two of each class."""
    tops = ("tests", "benchmarks", "docs", "examples")
    others = [file.relative_to(ROOT) for top in tops for file in (ROOT / top).rglob("*.py")]
    assert not {str(file) for file in (*FILES, *others) if packages(imports(tree(file))) & set(ROOMS)}


def test_the_recipe_as_a_script_loads_nothing_twice() -> None:
    script = """
import runpy, sys
from pathlib import Path
sys.argv = ["beam_job.py", "--config", "none.yaml"]
try:
    runpy.run_path("beam_job.py", run_name="__main__")
except SystemExit as end:
    assert end.code == 78
files = [Path(module.__file__).resolve() for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
ours = [file for file in files if Path.cwd() in file.parents and ".venv" not in file.parts]
assert len(set(ours)) == len(ours) > 50
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)

    assert ended.returncode == 0, ended.stderr
    assert "error: none.yaml: " in ended.stderr


@pytest.mark.parametrize("room", CORES)
def test_cores_and_product_know_nothing_of_beam(room: str) -> None:
    assert not {file for file in FILES if file.parts[0] == room and "apache_beam" in packages(imports(tree(file)))}


def test_product_needs_only_what_a_trainer_has() -> None:
    for file in (ROOT / "shards").rglob("*.py"):
        for statement in tree(file).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                named = packages(imports(statement))
                assert named <= OF_THE_READER | {"sequitur"} | sys.stdlib_module_names, f"{file.name} imports {named}"


def test_the_example_needs_only_what_a_trainer_has() -> None:
    named = imports(tree(Path("examples/train.py")))
    assert packages(named) <= OF_THE_READER | {"sequitur"} | sys.stdlib_module_names
    assert {name for name in named if is_within(name, "sequitur") and not is_within(name, "sequitur.shards")} == set()


def test_reader_works_where_the_pipeline_is_not_installed() -> None:
    script = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in %r or name in %r:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
from sequitur.shards import ContextDataset
print(ContextDataset.__name__)
"""
    ours = {f"sequitur.{room}" for room in ROOMS} - {"sequitur.shards"}
    absent = {
        "apache_beam", "faiss", "fsspec", "networkx", "numba", "pydantic", "rich", "scipy", "sentence_transformers",
        "sklearn", "tokenizers", "typer", "xxhash", "yaml", "zstandard",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", script % (absent, ours)], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert (ended.returncode, ended.stdout) == (0, "ContextDataset\n"), ended.stderr


def test_architecture_shows_these_rules() -> None:
    """The table of rooms in docs/architecture.md is MAY_IMPORT; the stages, which are all alike, are one row."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    shown = {room.strip("`").rstrip("/"): cell for room, _, cell in rows}
    rules = {room: set(names) for room, names in MAY_IMPORT.items() if room.removeprefix("stages/") not in STAGES}
    rules["stages/X"] = set(MAY_IMPORT[f"stages/{STAGES[0]}"])

    wrong = [
        f"docs/architecture.md: the row of {room} says {shown.get(room, 'nothing')}, MAY_IMPORT {', '.join(names)}"
        for room, names in rules.items()
        if told(shown.get(room, "no row")) - {room.removesuffix(".py")} != names - {room.removesuffix(".py")}
    ]
    assert not wrong, "\n".join(["", *wrong])
    assert shown.keys() == rules.keys(), "docs/architecture.md: the table has other rooms than MAY_IMPORT"


def told(cell: str) -> set[str]:
    """What a cell of that table says a room may import, in the terms of MAY_IMPORT."""
    names = {name.replace("/", ".") for name in re.findall(r"`([\w/]+)`", cell)}
    if cell.startswith("all"):
        return set(ROOMS) - names
    return names | ({f"stages.{name}" for name in STAGES} if "the ten stages" in cell else set())


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda file: file.name)
def test_what_benchmarks_import_is_there(file: Path) -> None:
    """Also what their functions import: mypy looks at the package alone, and they are seldom run."""
    for node in ast.walk(tree(file)):
        if not isinstance(node, ast.ImportFrom) or str(node.module).split(".")[0] not in ("sequitur", "benchmarks"):
            continue
        module = importlib.import_module(str(node.module))
        for name in (alias.name for alias in node.names):
            assert hasattr(module, name) or importlib.import_module(f"{node.module}.{name}")

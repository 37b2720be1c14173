"""What each folder may import: the cores stand alone, stages do not know each other, the reader needs little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"beam_job", "pipeline", "stages", "text_core", "graph_sort", "shards", "benchmarks", "dags", "tests"}
MAY_IMPORT = {
    "text_core": {"text_core"},
    "graph_sort": {"graph_sort"},
    "shards": {"shards"},
    "stages": {"stages", "pipeline", "text_core", "graph_sort", "shards"},
    "pipeline": {"pipeline"},
    "pipeline/cli.py": {"pipeline"},
    "pipeline/commands": {"pipeline", "beam_job", "shards"},
    "beam_job.py": {"pipeline", "stages"},
}
OF_THE_READER = {"pyarrow", "numpy", "torch"}
FILES = [ROOT / "beam_job.py", *(file for folder in MAY_IMPORT for file in sorted((ROOT / folder).glob("**/*.py")))]


def imports(node: ast.AST) -> set[str]:
    """Dotted names of the modules that a tree imports, `from a import b` counting as a and as a.b."""
    names: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            names |= {alias.name for alias in inner.names}
        elif isinstance(inner, ast.ImportFrom):
            assert inner.level == 0, "imports here are absolute"
            names |= {str(inner.module), *(f"{inner.module}.{alias.name}" for alias in inner.names)}
    return names


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def defines_a_stage(file: Path) -> bool:
    return any(
        isinstance(statement, ast.Assign) and any(getattr(target, "id", "") == "STAGE" for target in statement.targets)
        for statement in tree(file).body
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_module_imports_of_ours_what_its_folder_may(file: Path) -> None:
    relative = file.relative_to(ROOT)
    allowed = next(MAY_IMPORT[str(name)] for name in (relative, *relative.parents) if str(name) in MAY_IMPORT)

    assert packages(imports(tree(file))) & OURS <= allowed


@pytest.mark.parametrize("folder", ["text_core", "graph_sort", "shards"])
def test_cores_and_product_know_nothing_of_beam(folder: str) -> None:
    assert not {file.name for file in (ROOT / folder).glob("**/*.py") if "apache_beam" in packages(imports(tree(file)))}


def test_stages_meet_only_through_artifacts() -> None:
    modules = {f"stages.{file.stem}": file for file in (ROOT / "stages").glob("*.py")}
    stages = {name for name, file in modules.items() if defines_a_stage(file)}

    assert len(stages) == 10
    for name, file in modules.items():
        assert not imports(tree(file)) & (stages - {name}), f"{name} imports another stage"


def test_product_needs_only_what_a_trainer_has() -> None:
    for file in (ROOT / "shards").glob("**/*.py"):
        for statement in tree(file).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                named = packages(imports(statement))
                assert named <= OF_THE_READER | {"shards"} | sys.stdlib_module_names, f"{file.name} imports {named}"


def test_reader_works_where_the_pipeline_is_not_installed() -> None:
    script = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in %r:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import shards
from shards import ContextDataset
print(ContextDataset.__name__)
"""
    absent = (OURS - {"shards"}) | {
        "apache_beam", "faiss", "fsspec", "networkx", "numba", "pydantic", "rich", "scipy", "sentence_transformers",
        "sklearn", "tokenizers", "typer", "xxhash", "yaml", "zstandard",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", script % absent], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert (ended.returncode, ended.stdout) == (0, "ContextDataset\n"), ended.stderr

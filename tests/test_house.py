"""Bars on what a reader must hold in mind at once, which no single change would seem to break."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("api", "pipeline", "stages", "inspection", "corpora", "command_line", "text_core", "graph_sort", "shards")
MOST_WITH_A_RUN = 59
MOST_LINES = 330
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return [ROOT / "beam_job.py", *(file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))]


def functions_with_a_run(tree: ast.AST) -> Iterator[str]:
    """Names of the functions of which a parameter is called `run`, or is a `Run` whatever it is called."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            spec = node.args
            every = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, spec.vararg, spec.kwarg]
            if any(one is not None and (one.arg == "run" or is_a_run(one.annotation)) for one in every):
                yield node.name


def is_a_run(annotation: ast.expr | None) -> bool:
    """Whether an annotation names `Run`: alone, in quotes, in a module, or in a union, list and the like."""
    if annotation is None:
        return False
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return is_a_run(ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.Attribute):
        return annotation.attr == "Run"
    if isinstance(annotation, ast.Name):
        return annotation.id == "Run"
    if isinstance(annotation, ast.Subscript):
        generic = ast.unparse(annotation.value).rpartition(".")[2]
        if generic == "Callable":  # which may take one
            return False
        if generic == "Annotated" and isinstance(annotation.slice, ast.Tuple):
            return is_a_run(annotation.slice.elts[0])
    return any(is_a_run(inner) for inner in ast.iter_child_nodes(annotation) if isinstance(inner, ast.expr))


@pytest.mark.parametrize(
    ("parameters", "counts"),
    [
        ("run", True),
        ("here: Run", True),
        ('here: "Run"', True),
        ("here: Run | None", True),
        ("*, here: stage.Run", True),
        ("*here: Run", True),
        ("runs: Mapping[str, Run]", True),
        ("here: Annotated[Run, 'the Run']", True),
        ("here: Annotated[str, '--from']", False),
        ("work: Callable[[Run], None]", False),
        ("runner: Runner, seed: int", False),
    ],
)
def test_a_run_is_known_whatever_it_is_called(parameters: str, counts: bool) -> None:
    assert list(functions_with_a_run(ast.parse(f"def f({parameters}): ..."))) == ["f"] * counts


def test_few_functions_take_a_run() -> None:
    """A run holds all settings, the runner, the progress and every path: what such a function reads cannot be seen."""
    found = {
        file.relative_to(ROOT).as_posix(): names
        for file in modules()
        if (names := list(functions_with_a_run(ast.parse(file.read_text(encoding="utf-8")))))
    }
    listed = "\n".join(f"{file}: {', '.join(names)}" for file, names in found.items())
    count = sum(map(len, found.values()))
    assert {"pipeline/run_directory.py", "stages/pack/stage.py"} <= found.keys()  # where there must be some
    assert count <= MOST_WITH_A_RUN, (
        f"{count} functions take a Run, of at most {MOST_WITH_A_RUN}: hand in what is read instead, which is a section "
        "of the configuration (`settings: Select`), an artifact's `Directory` or the `root` of all, `jobs: Jobs` where "
        f"jobs are run, and a seed (`pipeline.seeds.derived_seed`)\n{listed}"
    )


def test_no_module_is_too_long_to_read() -> None:
    others = [
        file
        for folder in ("docs", "benchmarks", "examples", "sequitur", "dags", "dataflow")
        for file in (ROOT / folder).glob("*.py")
    ]
    tests = (ROOT / "tests").rglob("*.py")
    lines = {file: file.read_text(encoding="utf-8").count("\n") for file in (*modules(), *others, *tests)}
    long = {str(file.relative_to(ROOT)): count for file, count in lines.items() if count > MOST_LINES}

    assert not long, f"{long}: more than {MOST_LINES} lines; divide them by what a reader would look for"

"""Tests mirror the tree: stages/pack/stage.py is tested by tests/stages/pack/test_stage.py, and so on.

What is tested well through another module's tests stands in COVERED_BY instead, by the test that covers it: nothing is
tested twice for the sake of a file's name. Modules that hold no more than a docstring and what they hand on need none.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
ROOMS = sorted(link.name for link in (ROOT / "sequitur").iterdir() if link.is_symlink() and link.is_dir())
COVERED_BY = {
    "api/artifact_of_shards.py": "test_removal_from_run.py",
    "api/by_ordinal.py": "api/test_documents.py",
    "api/exports/tally.py": "api/exports/test_card.py",
    "api/ids.py": "api/test_documents.py",
    "api/neighbor_lists.py": "api/exports/test_documents.py",
    "command_line/common.py": "command_line/test_main.py",
    "command_line/jobs.py": "command_line/test_main.py",
    "command_line/trials.py": "command_line/test_main.py",
    "command_line/shards_of_run.py": "test_removal_from_run.py",
    "corpora/json_lines.py": "corpora/test_python_docs.py",
    "corpora/packages.py": "corpora/test_python_docs.py",
    "graph_sort/context_paths.py": "graph_sort/test_contexts_order.py",
    "graph_sort/context_search.py": "graph_sort/test_contexts_order.py",
    "graph_sort/documents.py": "graph_sort/test_orders.py",
    "graph_sort/instructions.py": "graph_sort/test_vectors.py",
    "graph_sort/kernels.py": "text_core/units/test_kernels.py",
    "graph_sort/merging.py": "graph_sort/test_contexts_order.py",
    "graph_sort/orders/bm25.py": "graph_sort/test_orders.py",
    "graph_sort/orders/cluster.py": "graph_sort/test_orders.py",
    "graph_sort/orders/contexts.py": "graph_sort/test_filled_contexts.py",
    "graph_sort/orders/curriculum.py": "graph_sort/test_orders.py",
    "graph_sort/orders/iclm.py": "graph_sort/test_orders.py",
    "graph_sort/orders/knn.py": "graph_sort/test_orders.py",
    "graph_sort/orders/path.py": "graph_sort/test_orders.py",
    "graph_sort/orders/random.py": "graph_sort/test_orders.py",
    "graph_sort/orders/source.py": "graph_sort/test_orders.py",
    "graph_sort/orders/splice.py": "graph_sort/test_orders.py",
    "graph_sort/orders/structure.py": "graph_sort/test_orders.py",
    "graph_sort/union_find.py": "graph_sort/test_contexts_order.py",
    "graph_sort/whole_pieces.py": "graph_sort/test_packing.py",
    "inspection/fitting.py": "command_line/test_inputs.py",
    "inspection/inputs.py": "command_line/test_inputs.py",
    "inspection/inputs_view.py": "command_line/test_inputs.py",
    "inspection/plan.py": "command_line/test_inputs.py",
    "inspection/compare_view.py": "stages/report/page/test_comparison.py",
    "inspection/differences_view.py": "inspection/test_differences.py",
    "inspection/leftovers_view.py": "command_line/test_cleaning.py",
    "inspection/history.py": "inspection/test_explain.py",
    "inspection/rules_trial.py": "stages/shared/test_quality_rules.py",
    "inspection/rules_trial_view.py": "stages/shared/test_quality_rules.py",
    "inspection/scale_view.py": "inspection/test_scale.py",
    "inspection/trace_view.py": "inspection/test_document_view.py",
    "inspection/whereabouts.py": "inspection/test_explain.py",
    "inspection/why_view.py": "inspection/test_document_view.py",
    "pipeline/errors.py": "pipeline/test_beam.py",
    "pipeline/file_systems.py": "pipeline/test_storage.py",
    "pipeline/jobs.py": "pipeline/test_stage.py",
    "pipeline/runner.py": "pipeline/test_beam.py",
    "pipeline/schemas.py": "stages/pack/test_stage.py",
    "pipeline/sections/documents.py": "pipeline/test_config.py",
    "pipeline/sections/section.py": "pipeline/test_config.py",
    "pipeline/sections/selection.py": "pipeline/test_config.py",
    "pipeline/sections/training.py": "pipeline/test_config.py",
    "pipeline/text_lists.py": "stages/shared/test_quality_rules.py",
    "pipeline/worker.py": "pipeline/test_worker_processes.py",
    "shards/__init__.py": "test_imports.py",
    "shards/adapters/torchtitan.py": "peers/test_torchtitan.py",
    "shards/alone.py": "shards/exports/test_repeated.py",
    "shards/exports/datatrove.py": "peers/test_datatrove.py",
    "shards/exports/megatron.py": "peers/test_megatron.py",
    "shards/exports/olmo.py": "peers/test_olmo.py",
    "shards/exports/source.py": "shards/test_exports.py",
    "shards/exports/staging.py": "shards/exports/test_repeated.py",
    "stages/tokenize/hard_texts.py": "stages/tokenize/test_fast_tokenizer.py",
    "stages/tokenize/merges.py": "stages/tokenize/test_training.py",
    "stages/tokenize/tokenizer_files.py": "stages/tokenize/test_trial.py",
    "shards/offsets.py": "graph_sort/test_offsets.py",
    "shards/placement.py": "shards/test_verify.py",
    "shards/removal/counts.py": "shards/test_removal.py",
    "shards/removal/intent.py": "shards/removal/test_removing.py",
    "shards/removal/plan.py": "shards/test_removal.py",
    "shards/removal/record.py": "shards/test_removal.py",
    "shards/removal/repack.py": "shards/test_removal.py",
    "shards/removal/writing.py": "shards/test_removal.py",
    "shards/rows.py": "shards/test_reader.py",
    "shards/salvage/reading.py": "shards/test_salvage.py",
    "shards/salvage/salvaging.py": "shards/test_salvage.py",
    "shards/salvage/writing.py": "shards/test_salvage.py",
    "shards/side_files.py": "shards/test_damage.py",
    "shards/totals.py": "shards/test_removal.py",
    "shards/views/render.py": "shards/views/test_show.py",
    "shards/views/stats_view.py": "shards/views/test_stats.py",
    "stages/embed/fitting.py": "test_update.py",
    "stages/ingest/documents.py": "stages/ingest/test_stage.py",
    "stages/ingest/reuse.py": "test_update.py",
    "stages/neighbors/by_exact.py": "stages/neighbors/test_stage.py",
    "stages/neighbors/by_index.py": "stages/neighbors/test_by_cells.py",
    "stages/neighbors/cell_assignment.py": "stages/neighbors/test_stage.py",
    "stages/neighbors/lists.py": "stages/neighbors/test_stage.py",
    "stages/order/documents.py": "stages/order/test_stage.py",
    "stages/pack/docs_table.py": "stages/pack/test_stage.py",
    "stages/pack/shard_tasks.py": "stages/pack/test_shard_writing.py",
    "stages/pack/token_runs.py": "stages/pack/test_shard_writing.py",
    "stages/refine/operations.py": "stages/refine/test_stage.py",
    "stages/refine/repeats.py": "stages/refine/test_stage.py",
    "stages/report/page/contexts.py": "stages/report/page/test_page.py",
    "stages/report/page/markup.py": "stages/report/page/test_page.py",
    "stages/report/page/orders.py": "stages/report/page/test_page.py",
    "stages/report/page/records.py": "stages/report/page/test_page.py",
    "stages/report/reading.py": "stages/report/test_path.py",
    "stages/report/removed.py": "test_removal_killed.py",
    "stages/report/titles.py": "stages/report/test_page_data.py",
    "stages/select/against.py": "stages/select/test_other_run.py",
    "stages/select/alarms.py": "stages/select/test_survivors.py",
    "stages/select/candidates.py": "stages/select/test_duplicates.py",
    "stages/select/fuzzy_duplicates.py": "stages/select/test_duplicates.py",
    "stages/select/star_rounds.py": "stages/select/test_duplicates.py",
    "stages/select/verdicts.py": "stages/select/test_duplicates.py",
    "stages/shared/columns/epochs.py": "stages/pack/test_epochs.py",
    "stages/shared/columns/groups.py": "stages/order/test_families.py",
    "stages/shared/columns/lookup.py": "inspection/test_explain.py",
    "stages/shared/columns/router.py": "stages/order/test_families.py",
    "stages/shared/columns/samples.py": "stages/tokenize/test_stage.py",
    "stages/shared/judge.py": "stages/shared/test_quality_rules.py",
    "stages/shared/models/encoder_input.py": "stages/shared/models/test_encoders.py",
    "stages/shared/models/fitted.py": "test_update.py",
    "stages/shared/models/openvino_models.py": "stages/shared/models/test_encoders.py",
    "stages/shared/sources/evaluation_files.py": "stages/select/test_decontamination.py",
    "text_core/duplicates/renaming.py": "text_core/duplicates/test_versions.py",
    "text_core/signals/citations.py": "text_core/signals/test_c4.py",
    "text_core/signals/fasttext_file.py": "text_core/signals/test_classifiers.py",
    "text_core/signals/ngrams.py": "text_core/signals/test_repetition.py",
    "text_core/units/offsets.py": "graph_sort/test_offsets.py",
    **{
        f"stages/{file.parent.name}/declaration.py": f"stages/{file.parent.name}/test_stage.py"
        for file in sorted((ROOT / "stages").glob("*/declaration.py"))
    },
}


def modules() -> list[str]:
    """The modules that do something, by their paths."""
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    return [str(file.relative_to(ROOT)) for file in files if file.name != "__init__.py" or does_something(file)]


def does_something(file: Path) -> bool:
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree(file).body)


def twin(module: str) -> str:
    """The test of a module by its name: of a package's `__init__.py` beside the package, named as it is."""
    path = Path(module)
    path = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return str(path.with_name(f"test_{path.name}.py"))


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported(file: Path) -> frozenset[Path]:
    """The files of ours that a file imports, at its top or within functions."""
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sequitur"):
            names = {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
            for name in names:
                base = ROOT / "/".join(name.split(".")[1:])
                found |= {path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()}
    return frozenset(found)


def reached(test: Path) -> set[Path]:
    """All files of ours that a test and its fixtures import, through others too."""
    found: set[Path] = set()
    left = {test, *(file for folder in test.parents if (file := folder / "conftest.py").exists())}
    while left:
        left = {other for file in left for other in imported(file)} - found
        found |= left
    return found


@pytest.mark.parametrize("module", modules())
def test_module_has_a_test(module: str) -> None:
    named = (TESTS / twin(module)).exists()

    assert named or module in COVERED_BY, (
        f"write tests/{twin(module)}; or, if another test covers {module}, add it to COVERED_BY in tests/test_mirror.py"
    )
    assert not (named and module in COVERED_BY), f"{module} has tests/{twin(module)}; take it out of COVERED_BY"


@pytest.mark.parametrize("module", COVERED_BY)
def test_listed_test_reaches_the_module(module: str) -> None:
    test, file = TESTS / COVERED_BY[module], ROOT / module

    assert file.exists(), f"{module} is no more; take it out of COVERED_BY"
    by_name = file.stem in test.read_text(encoding="utf-8")  # of what is imported by a name in a table
    assert file in reached(test) or by_name, f"tests/{COVERED_BY[module]} neither imports nor names {module}"


def test_every_test_is_of_something_that_is_there() -> None:
    """A module that moves takes its test with it."""
    there = {twin(module) for module in modules()} | {
        twin(str(file.relative_to(ROOT))) for room in ROOMS for file in (ROOT / room).rglob("__init__.py")
    }
    tests = {str(file.relative_to(TESTS)) for room in ROOMS for file in (TESTS / room).rglob("test_*.py")}
    more = {test.rsplit("_", 1)[0] + ".py": test for test in tests}  # test_module_more.py is of the module, too
    astray = tests - there - set(COVERED_BY.values()) - {more[test] for test in there & set(more)}
    assert not astray, f"{sorted(astray)} mirror no module; name them for what they test"

"""What is added, and not told of where a reader looks for it, fails here by a message that says what to add where.

Each check takes what there is and the pages that tell of it, and gives a line for all that is wrong. So it is tried
twice: on the tree, where nothing may be wrong, and with one thing more than the pages know of.
"""

import ast
import re
import runpy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from sequitur import beam_job
from sequitur.graph_sort import orders
from sequitur.pipeline import schemas
from sequitur.pipeline.sections import Ingest, Ordering, Preset, Select
from sequitur.pipeline.stage import Stage
from sequitur.shards.exports import TARGETS
from sequitur.stages.ingest.documents import first_records
from sequitur.stages.ingest.splits import InputFile
from sequitur.stages.shared.sources.record_files import ENDINGS
from sequitur.text_core.signals.all_signals import FAMILIES
from sequitur.text_core.signals.rules import PRESETS

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = {8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen"}
GENERATE = runpy.run_path(str(ROOT / "docs/generate.py"))
Pages = Mapping[str, str]


class _Pages(dict[str, str]):
    """Files of the repository by path."""

    def __missing__(self, path: str) -> str:
        return (ROOT / path).read_text(encoding="utf-8")


PAGES: Pages = _Pages()


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above; empty where there is none."""
    level = heading.count("#")
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def first_cells(text: str) -> list[str]:
    """The names in the first column of tables."""
    return re.findall(r"^\| `?([\w/]+)`? \|", text, re.MULTILINE)


def of_table(name: str, wanted: Iterable[str], table: str, where: str) -> list[str]:
    """Lines for rows that a table lacks, or has too many."""
    wanted, there = list(wanted), first_cells(table)
    lacking = [f"{where}: add a row for the {name} {one}" for one in wanted if one not in there]
    heads = {name, "order", "stage", "signal", "room"}  # of tables, whose heads look like rows
    extra = [f"{where}: there is no {name} {one}; take its row out" for one in there if one not in {*wanted, *heads}]
    return lacking + extra


def wrong_with_orders(names: Sequence[str], pages: Pages) -> list[str]:
    table = section(pages["docs/orders.md"], "## Orders")
    wrong = of_table("order", names, table, "docs/orders.md, Orders")
    said = re.findall(r"\[(\w+) orders\]\(docs/orders\.md\)", pages["README.md"])
    if said != [NUMBERS[len(names)]]:
        wrong.append(f"README.md: there are {NUMBERS[len(names)]} orders, it says {' '.join(said)}; correct the number")
    told = re.findall(r"\w+", str(Ordering.model_fields["strategy"].description))
    where = "pipeline/sections, description of order.strategy"
    return wrong + [f"{where}: add the order {name}" for name in names if name not in told]


def wrong_with_signals(families: Sequence[str], with_table: Sequence[str], presets: Sequence[str]) -> list[str]:
    listed = "text_core/signals/all_signals.py"
    wrong = [
        f"{listed}: text_core/signals/{name}.py has a table of signals; add it to FAMILIES and call it in all_signals"
        for name in with_table
        if name not in families
    ]
    literal, told = get_args(Preset), str(Select.model_fields["rules"].description)
    for name in presets:
        if name not in literal:
            wrong.append(f"pipeline/sections: add the preset {name} to Preset")
        if name not in told:
            wrong.append(f"pipeline/sections, description of select.rules: add the preset {name}")
    return wrong


def wrong_with_formats(names: Sequence[str], pages: Pages) -> list[str]:
    literal = get_args(Ingest.model_fields["format"].annotation)
    told = next(line for line in pages["README.md"].splitlines() if line.startswith("| `ingest` |")).lower()
    wrong = of_table("format", names, section(pages["docs/guide.md"], "## 1. Say what to read").split("### ")[0],
                     "docs/guide.md (make docs, from RECORDS_OF in docs/generate.py)")  # fmt: skip
    for name in names:
        if name not in literal:
            wrong.append(f"pipeline/sections: add {name} to the type of ingest.format")
        if name not in told:
            wrong.append(f"README.md, the row of ingest: add {name}")
    return wrong


def wrong_with_exporters(modules: Sequence[str], targets: Sequence[str], pages: Pages) -> list[str]:
    page = pages["docs/exports.md"]
    wrong = [
        f"shards/exports/__init__.py: add shards/exports/{name}.py to TARGETS"
        for name in modules
        if name not in targets
    ]
    table = section(page, "# Contexts").split("**Rows left out.**")[0]
    wrong += of_table("exporter", targets, table, "docs/exports.md, the table of --to")
    headings = re.sub(r"[^a-z\n]", "", "\n".join(re.findall(r"^## (.+)$", page, re.MULTILINE)).lower())
    told = next(line for line in pages["README.md"].splitlines() if "sequitur export" in line)
    for name in targets:
        if name not in headings:
            wrong.append(f"docs/exports.md: add a section that tells how the exporter {name} is read")
        if name not in told:
            wrong.append(f"README.md, the line of sequitur export: add {name}")
    return wrong


def wrong_with_stages(recipe: Sequence[Stage], pages: Pages) -> list[str]:
    readme, artifacts, architecture = (
        pages[page] for page in ("README.md", "docs/artifacts.md", "docs/architecture.md")
    )
    wrong = of_table(
        "stage", [stage.name for stage in recipe], section(readme, "## What happens"), "README.md, What happens"
    )
    wrong += of_table(
        "stage", [stage.name for stage in recipe], artifacts.split("## Parts")[0], "docs/artifacts.md (make docs)"
    )
    headings = [heading.lower() for heading in re.findall(r"^##+ (.+)$", artifacts, re.MULTILINE)]
    picture = re.findall(r"\w+", architecture.split("```")[1])
    for stage in recipe:
        if f"    {stage.artifact}/ " not in readme:
            wrong.append(f"README.md, what a run directory holds: add {stage.artifact}/, which {stage.name} makes")
        for name in (stage.artifact, *stage.beside):
            if name not in headings:
                wrong.append(f"docs/artifacts.md: add a section ### {name} with its columns, which {stage.name} makes")
        for name in (stage.name, stage.artifact):
            if name not in picture:
                wrong.append(f"docs/architecture.md, the picture: add {name}")
    return wrong


def wrong_with_schemas(by_name: Mapping[str, pa.Schema], meanings: Iterable[Sequence[str]], pages: Pages) -> list[str]:
    told = [tuple(columns) for columns in meanings]
    wrong = [
        f"docs/meanings.py: say what the columns of schemas.{name} mean; docs/generate.py: add a region to REGIONS"
        for name, schema in by_name.items()
        if tuple(schema.names) not in told
    ]
    shown = pages["docs/artifacts.md"] + pages["docs/shard-format.md"]
    regions = [name for name in GENERATE["REGIONS"] if name.startswith("columns of ")]
    return wrong + [
        f"docs/artifacts.md: add <!-- generated: {name} -->" for name in regions if f": {name} -->" not in shown
    ]


def with_signal_tables() -> list[str]:
    """Modules of text_core/signals with a table of signals; not `listed_words`, which needs a list to be given."""
    files = sorted((ROOT / "text_core/signals").glob("*.py"))
    docstrings = {file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" for file in files}
    apart = {"all_signals", "listed_words"}
    return [name for name, text in docstrings.items() if "\n| signal |" in text and name not in apart]


def exporters() -> list[str]:
    files = sorted((ROOT / "shards/exports").glob("*.py"))
    return [file.stem for file in files if "\ndef write(" in file.read_text(encoding="utf-8")]


SCHEMAS = {name: value for name, value in vars(schemas).items() if isinstance(value, pa.Schema)}
FAMILY_NAMES = [module.__name__.rsplit(".", 1)[1] for module in FAMILIES]


def test_everything_there_is_is_told_of() -> None:
    wrong = wrong_with_orders(orders.names(), PAGES)
    wrong += wrong_with_signals(FAMILY_NAMES, with_signal_tables(), list(PRESETS))
    wrong += wrong_with_formats(list(ENDINGS), PAGES)
    wrong += wrong_with_exporters(exporters(), list(TARGETS), PAGES)
    wrong += wrong_with_stages(beam_job.RECIPE, PAGES)
    wrong += wrong_with_schemas(SCHEMAS, GENERATE["MEANINGS"].values(), PAGES)
    assert not wrong, "\n".join(["", *wrong])


def test_an_order_that_is_forgotten() -> None:
    assert wrong_with_orders([*orders.names(), "mine"], PAGES) == [
        "docs/orders.md, Orders: add a row for the order mine",
        "README.md: there are twelve orders, it says eleven; correct the number",
        "pipeline/sections, description of order.strategy: add the order mine",
    ]
    gone = wrong_with_orders([name for name in orders.names() if name != "splice"], PAGES)
    assert gone[0] == "docs/orders.md, Orders: there is no order splice; take its row out"


def test_a_family_of_signals_or_a_preset_that_is_forgotten() -> None:
    assert with_signal_tables() == sorted(FAMILY_NAMES)
    assert wrong_with_signals(FAMILY_NAMES, [*with_signal_tables(), "mine"], [*PRESETS, "my_rules"]) == [
        "text_core/signals/all_signals.py: text_core/signals/mine.py has a table of signals; add it to FAMILIES and "
        "call it in all_signals",
        "pipeline/sections: add the preset my_rules to Preset",
        "pipeline/sections, description of select.rules: add the preset my_rules",
    ]


def test_a_format_that_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wrong_with_formats([*ENDINGS, "mine"], PAGES) == [
        "docs/guide.md (make docs, from RECORDS_OF in docs/generate.py): add a row for the format mine",
        "pipeline/sections: add mine to the type of ingest.format",
        "README.md, the row of ingest: add mine",
    ]
    monkeypatch.setitem(ENDINGS, "mine", (".mine",))
    with pytest.raises(SystemExit, match=r"'mine'.*; mend docs/generate\.py"):
        GENERATE["formats"]()


@pytest.mark.parametrize("name", ENDINGS)
def test_every_format_has_a_reader(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{ENDINGS[name][0]}"
    table = pa.table({"text": ["one"]})
    if name == "parquet":
        pq.write_table(table, file)
    elif name == "arrow":
        feather.write_feather(table, file)
    else:
        file.touch()
    given = InputFile(str(file), name, "s")
    try:
        list(first_records(given, Ingest(inputs=["a"])))
    except KeyError:
        pytest.fail(f"stages/ingest/documents.py: read {name} files in _of_file")


def test_an_exporter_that_is_forgotten() -> None:
    assert wrong_with_exporters([*exporters(), "mine"], list(TARGETS), PAGES) == [
        "shards/exports/__init__.py: add shards/exports/mine.py to TARGETS"
    ]
    assert wrong_with_exporters(exporters(), [*TARGETS, "mine"], PAGES) == [
        "docs/exports.md, the table of --to: add a row for the exporter mine",
        "docs/exports.md: add a section that tells how the exporter mine is read",
        "README.md, the line of sequitur export: add mine",
    ]


def test_a_stage_that_is_forgotten() -> None:
    one = beam_job.RECIPE[0]
    mine = Stage("count", "counts", 1, (), one.parameters, one.estimate, one.work, beside=("counts/more",))
    assert wrong_with_stages([*beam_job.RECIPE, mine], PAGES) == [
        "README.md, What happens: add a row for the stage count",
        "docs/artifacts.md (make docs): add a row for the stage count",
        "README.md, what a run directory holds: add counts/, which count makes",
        "docs/artifacts.md: add a section ### counts with its columns, which count makes",
        "docs/artifacts.md: add a section ### counts/more with its columns, which count makes",
        "docs/architecture.md, the picture: add count",
        "docs/architecture.md, the picture: add counts",
    ]
    assert wrong_with_schemas(
        {**SCHEMAS, "COUNTS": pa.schema([("n", pa.int64())])}, GENERATE["MEANINGS"].values(), PAGES
    ) == ["docs/meanings.py: say what the columns of schemas.COUNTS mean; docs/generate.py: add a region to REGIONS"]

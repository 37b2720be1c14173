"""Writes what is generated in docs/. `make docs` runs it; tests/test_docs.py fails when a file has drifted.

`configuration.md`, `command-line.md`, `api.md` and `dags/stages.json` are generated whole. In the other files it is
what stands between `<!-- generated: NAME -->` and `<!-- end -->`, where NAME is a key of `REGIONS`.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
from typer.main import get_command

from docs import python_api, scale_tables
from docs.meanings import MEANINGS
from sequitur.command_line import main as cli
from sequitur.pipeline import config, config_text, schemas
from sequitur.shards import format as shard_format
from sequitur.stages.shared.sources import record_files
from sequitur.text_core.duplicates import lsh
from sequitur.text_core.signals import all_signals as text_signals
from sequitur.text_core.signals import rules

DOCS = Path(__file__).resolve().parent
REGION = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# What a record is of each input format. A format that is not here, or the other way round, is an error.
RECORDS_OF: dict[str, str] = {
    "jsonl": "a JSON object, one per line",
    "json": "an element of the array that the file is, or one of the values that follow one another in it",
    "parquet": "a row",
    "arrow": "a row of an IPC file or stream",
    "csv": "a row, below a header line",
    "text": "the file",
    "warc": "a [web page](#web-pages)",
    "html": "the file, a [web page](#web-pages)",
    "pdf": "the text of the file, with the extra `pdf`",
    "epub": "the text of the book, chapter by chapter",
}

# A change of each setting, to compute what it makes anew.
CHANGES = (
    "refine.fix_unicode=true",
    "refine.edits=[{replace: one, by: two}]",
    "refine.symbol_lines=true",
    "refine.c4_lines=true",
    "refine.fineweb_lines=true",
    "refine.max_line_repeats=100",
    "refine.max_paragraph_repeats=100",
    "refine.redact=[email]",
    "refine.phone_regions=[]",
    "annotate.signals=needed",
    "annotate.shingle_words=3",
    "annotate.permutations=256",
    "select.rules=none",
    "select.limits=[{signal: word_count, min: 10}]",
    "select.thresholds={gopher_too_few_words: 20}",
    "select.exact_duplicates=false",
    "select.fuzzy_duplicates=false",
    "select.jaccard=0.7",
    "tokenize.tokenizer=bytes",
    "tokenize.vocabulary=4096",
    "tokenize.sample_bytes=1 MiB",
    "tokenize.repeated_spans=remove",
    "tokenize.span_memory=1 GiB",
    "embed.model=another-model",
    "embed.dimensions=64",
    "embed.sample_documents=1000",
    "embed.lexical_weight=0.2",
    "embed.lexical_dimensions=512",
    "embed.long_documents=mean",
    "embed.max_characters=1000",
    "neighbors.k=10",
    "neighbors.duplicate_cosine=0.9",
    "neighbors.recall_target=0.99",
    "neighbors.memory=1 GiB",
    "select.subset.by=coverage",
    "families.by=source",
    "order.strategy=iclm",
    "pack.context_length=4096",
    "pack.policy=stream",
    "pack.validation_share=0.01",
    "pack.shard_bytes=64 MiB",
    "seed=1",
    "embed.device=cpu",
    "embed.batch_size=8",
    "embed.trust_remote_code=true",
    "ingest.max_reject_share=0.5",
    "ingest.text_field=body",
    "ingest.part_bytes=1 MiB",
    "ingest.split_bytes=1 MiB",
    "name=other",
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, ended by a newline."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def columns_of(name: str, schema: pa.Schema, size: str = "") -> str:
    """The columns of a schema; `size` is the symbol for the length of its fixed-size lists."""
    meanings = MEANINGS[name]
    if list(meanings) != schema.names:
        raise SystemExit(f"MEANINGS[{name!r}] has {list(meanings)}, the schema {schema.names}; mend docs/meanings.py")
    rows = (
        (f"`{field.name}`", f"`{_type(field.type, size)}`", "yes" if field.nullable else "", meanings[field.name])
        for field in schema
    )
    return table(("column", "Arrow type", "nullable", "meaning"), rows)


def _type(kind: pa.DataType, size: str) -> str:
    if pa.types.is_dictionary(kind):
        return "dictionary<string>"
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{_type(kind.value_type, size)}>[{size}]"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{'large_' if pa.types.is_large_list(kind) else ''}list<{_type(kind.value_type, size)}>"
    return {"halffloat": "float16", "float": "float32"}.get(str(kind), str(kind))


def stages() -> str:
    """Each stage of the recipe: what it reads and what it makes."""
    from sequitur import beam_job
    from sequitur.pipeline.stage import TEXT

    return table(
        ("stage", "reads", "makes"),
        (
            (
                f"`{stage.name}`",
                ", ".join("the text" if name == TEXT else f"`{name}`" for name in stage.parents) or "files",
                f"`{stage.artifact}`",
            )
            for stage in beam_job.RECIPE
        ),
    )


def stage_names() -> str:
    """The stages of the recipe in their order, as JSON."""
    from sequitur import beam_job

    return json.dumps([stage.name for stage in beam_job.RECIPE]) + "\n"


def recomputed() -> str:
    """What each change of a setting makes anew, told from the fingerprints."""
    from sequitur import beam_job
    from sequitur.pipeline.stage import expected

    with tempfile.TemporaryDirectory() as scratch:
        records = Path(scratch, "records.jsonl")
        records.write_text('{"text": "one"}\n')
        content = {"output": "run", "ingest": {"inputs": str(records)}}
        file = Path(scratch, "config.yaml")
        file.write_text(str(content))
        before = expected(beam_job.RECIPE, config.load(file))
        keys_of: dict[tuple[str, ...], list[str]] = {}
        for change in CHANGES:
            after = expected(beam_job.RECIPE, config.load(file, [change]))
            changed = tuple(name for name in before if before[name] != after[name])
            keys_of.setdefault(changed, []).append(f"`{change.partition('=')[0]}`")

    def told(changed: tuple[str, ...]) -> str:
        if "documents" in changed:
            return "all: another `output` is asked for"
        return ", ".join(f"`{name}`" for name in changed) or "nothing"

    return table(("a change of", "makes anew"), ((", ".join(keys), told(changed)) for changed, keys in keys_of.items()))


def formats() -> str:
    """The input formats: what names tell each, and what a record of it is."""
    if (there := list(record_files.ENDINGS)) != list(RECORDS_OF):
        raise SystemExit(f"RECORDS_OF has {list(RECORDS_OF)}, record_files.ENDINGS {there}; mend docs/generate.py")
    endings = record_files.ENDINGS.items()
    rows = ((f"`{name}`", ", ".join(f"`{one}`" for one in those), RECORDS_OF[name]) for name, those in endings)
    return table(("`ingest.format`", "the file's name ends in", "a record is"), rows)


def signals() -> str:
    """The tables in the docstrings of the modules that compute signals."""

    found: list[str] = []
    for module in text_signals.FAMILIES:
        lines = dropwhile(lambda line: not line.startswith("| signal |"), (module.__doc__ or "").splitlines())
        rows = list(takewhile(lambda line: line.startswith("|"), lines))
        found += rows if not found else rows[2:]
    return "".join(f"{line}\n" for line in found)


def quality_rules() -> str:
    """The rules of the presets, in the order in which they are tried."""

    def bounds(bound: rules.Rule | rules.Bounds) -> str:
        return f"≤ {bound.maximum:,}" if bound.minimum is None else f"≥ {bound.minimum:,}"

    def where(rule: rules.Rule) -> str:
        return ", ".join(f"`{bound.signal}` {bounds(bound)}" for bound in rule.where)

    rows = (
        (f"`{name}`", f"`{rule.name}`", f"`{rule.signal}`", bounds(rule), where(rule))
        for name, preset in rules.PRESETS.items()
        for rule in preset
    )
    return table(("preset", "rule", "signal", "kept where", "tried only where"), rows)


def bands() -> str:
    """How likely LSH finds a pair, by its similarity, with the default settings."""
    settings = config.Select()
    count, rows = lsh.choose_bands(settings.jaccard, config.Annotate().permutations)
    found = ((f"{s:.1f}", f"{1 - (1 - s**rows) ** count:.4f}") for s in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
    title = f"{count} bands of {rows} rows (`select.jaccard` {settings.jaccard}, `annotate.permutations` 128):\n\n"
    return title + table(("Jaccard similarity", "probability to be compared"), found)


def decisions() -> str:
    """A link to each decision, by its first heading."""
    files = sorted((DOCS / "decisions").glob("*.md"))
    titles = (file.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for file in files)
    return "".join(f"- [{title}](decisions/{file.name})\n" for file, title in zip(files, titles, strict=True))


REGIONS: Mapping[str, Callable[[], str]] = {
    "columns of documents": lambda: columns_of("documents", schemas.DOCUMENTS),
    "columns of rejects": lambda: columns_of("rejects", schemas.REJECTS),
    "columns of refined": lambda: columns_of("refined", schemas.REFINED),
    "columns of changes": lambda: columns_of("refined/changes", schemas.CHANGES),
    "columns of selection": lambda: columns_of("selection", schemas.SELECTION),
    "columns of contamination": lambda: columns_of("selection/contamination", schemas.CONTAMINATION),
    "columns of tokens": lambda: columns_of("tokens", schemas.TOKENS),
    "columns of spans": lambda: columns_of("tokens/spans", schemas.SPANS),
    "columns of vectors": lambda: columns_of("vectors", schemas.vectors(1), "d"),
    "columns of neighbors": lambda: columns_of("neighbors", schemas.neighbors(1), "k"),
    "columns of duplicates": lambda: columns_of("neighbors/duplicates", schemas.DUPLICATES),
    "columns of unselected": lambda: columns_of("neighbors/unselected", schemas.UNSELECTED),
    "columns of order": lambda: columns_of("order", schemas.ORDER),
    "columns of contexts": lambda: columns_of("contexts", shard_format.context_columns(1), "S"),
    "columns of docs": lambda: columns_of("docs", shard_format.docs_schema()),
    "stages": stages,
    "formats": formats,
    "recomputed": recomputed,
    "signals": signals,
    "rules": quality_rules,
    "bands": bands,
    "decisions": decisions,
    **{name: lambda made=made: table(*made()) for name, made in scale_tables.TABLES.items()},
}


def commands(command: Any = None, name: str = "sequitur") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, those of groups included."""
    command = command or get_command(cli.app)
    if not hasattr(command, "commands"):
        yield name, command
        return
    for below, inner in command.commands.items():
        yield from commands(inner, f"{name} {below}")


def spelled(parameter: Any) -> str:
    """An argument or option as it is typed: `PATH`, `--context CONTEXT`."""
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    name = parameter.opts[0]
    return f"{name} {parameter.metavar or name.lstrip('-').replace('-', '_').upper()}"


def command_line() -> str:
    """The reference of the command line."""
    lines = [
        "# Command line\n",
        "\nGenerated from `command_line/main.py` by `make docs`; a test fails when it drifts.\n",
        "\nErrors are one line on standard error, as is progress; results go to standard output.\n"
        "Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted by Ctrl-C, 143 by SIGTERM: the same\n"
        "command goes on from there. Of `run`, `extend`, `demo` and `gc` also 75, failed for now: the same command\n"
        "may succeed later (storage, a worker or a lock failed it), and 78, mend the configuration.\n",
    ]
    for name, command in commands():
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        usage = [spelled(one) if one.required else f"[{spelled(one)}]" for one in arguments]
        options = ["[OPTIONS]"] if len(arguments) < len(command.params) else []
        lines.append(f"\n## `{name}`\n\n{command.help}\n\n    {' '.join([name, *usage, *options])}\n\n")
        rows = [(f"`{spelled(one)}`", _default(one), one.help) for one in command.params]
        lines.append(table(("argument or option", "default", "meaning"), rows))
    return "".join(lines)


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default in (None, []) else f"`{parameter.default}`"


def generated() -> dict[Path, str]:
    """The full text of every file that is generated, whole or in part."""
    found = {
        DOCS / "configuration.md": config_text.reference_markdown(),
        DOCS / "command-line.md": command_line(),
        DOCS / "api.md": python_api.page(),
        DOCS.parent / "dags/stages.json": stage_names(),
    }
    for file in sorted(DOCS.rglob("*.md")):
        text = file.read_text(encoding="utf-8")
        if file not in found and REGION.search(text):
            found[file] = REGION.sub(lambda match: f"{match[1]}\n{REGIONS[match[2]]()}\n{match[3]}", text)
    return found


def main() -> None:
    logging.basicConfig(level=logging.CRITICAL)  # before Beam is imported, which logs as it loads
    for file, text in generated().items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

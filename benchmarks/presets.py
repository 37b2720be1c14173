"""What each preset of rules drops of each language, and by which rule.

    python -m benchmarks.presets --corpus FILE [--english FILE [--english-source NAME]] [--table FILE]

The corpora are JSON lines with `text`; --corpus has the true `language` of each record (a code such as nb or pt_BR),
and all of --english (of one `source` of it) is English, the language that the rules were made for. Signals are those of
`annotate` with the default settings, so that stop words go by the language that it finds.

Prints one JSON object last:

    documents     by language
    dropped       by preset and language, the share that fails any rule
    largest       by preset and language, the rule that most documents fall to, of those that each fails the first, and
                  the share
    beyond        of the default preset: [language, rule, share, English's share] where a language loses more than 1.5
                  times what English loses to a rule, but no more than `select.alarm_share`, which a warning names
    nfd_equal     whether all signals of the texts are the same in NFD

--table writes the table of docs/signals-and-rules.md.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard

from sequitur.pipeline.sections import Annotate, Select
from sequitur.stages.annotate.stage import signals
from sequitur.text_core.signals.rules import PRESETS, first_failed
from sequitur.text_core.signals.stop_words import stop_words

ENGLISH = "en"
TIMES = 1.5  # what English loses


def read(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        return [json.loads(line) for line in io.TextIOWrapper(stream, encoding="utf-8")]


def columns(texts: list[str]) -> dict[str, pa.Array]:
    return signals(pa.array(texts, pa.large_string()), Annotate(), stop_words(), None)


def measure(texts: list[str], languages: np.ndarray) -> dict[str, Any]:
    """The figures of the module's docstring; `languages` are the true ones, str [n]."""
    composed = columns(texts)
    decomposed = columns([unicodedata.normalize("NFD", text) for text in texts])
    numbers = {name: column.to_numpy() for name, column in composed.items() if pa.types.is_primitive(column.type)}
    names = sorted(set(languages.tolist()))
    figures: dict[str, Any] = {
        "documents": {name: int((languages == name).sum()) for name in names},
        "dropped": {},
        "largest": {},
    }
    shares: dict[str, np.ndarray] = {}
    for preset, rules in PRESETS.items():
        failed = first_failed(rules, numbers)
        shares[preset] = np.array(
            [[(failed[languages == name] == n).mean() for n in range(len(rules))] for name in names]
        )
        rounded = np.round(shares[preset], 4)
        figures["dropped"][preset] = dict(zip(names, np.round(shares[preset].sum(axis=1), 4).tolist(), strict=True))
        figures["largest"][preset] = {
            name: [rules[row.argmax()].name, float(row.max())] if row.any() else None
            for name, row in zip(names, rounded, strict=True)
        }
    default = Select()
    (preset,) = default.rules
    figures["beyond"] = []
    if ENGLISH in names:
        english = shares[preset][names.index(ENGLISH)]
        for row, number in np.argwhere(
            (shares[preset] > TIMES * english) & (shares[preset] <= default.alarm_share)
        ).tolist():
            lost = [round(float(share), 4) for share in (shares[preset][row, number], english[number])]
            figures["beyond"].append([names[row], PRESETS[preset][number].name, *lost])
    figures["nfd_equal"] = all(composed[name].equals(decomposed[name]) for name in composed)
    return figures


def table(figures: dict[str, Any]) -> str:
    """In Markdown: a row a language, the share that each preset drops, in per cent, and of the default the rule."""
    (default,) = Select().rules
    presets = list(figures["dropped"])
    lines = [["language", "documents", *(f"`{preset}`" for preset in presets), f"most of `{default}` fall to"]]
    lines.append(["---"] + ["---:"] * (len(presets) + 1) + ["---"])
    for name, documents in figures["documents"].items():
        largest = figures["largest"][default][name]
        cells = [f"{100 * figures['dropped'][preset][name]:.0f}" for preset in presets]
        lines.append([name, f"{documents:,}", *cells, f"`{largest[0]}`" if largest else "none"])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="JSON lines with `text` and `language`")
    parser.add_argument("--english", type=Path, help="JSON lines with `text`, all of it English")
    parser.add_argument("--english-source", help="only the records of this `source` of --english")
    parser.add_argument("--table", type=Path, help="where to write the table in Markdown")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    records = read(arguments.corpus)
    if arguments.english is not None:
        wanted = arguments.english_source
        english = [one for one in read(arguments.english) if wanted in (None, one.get("source"))]
        records += [{"text": one["text"], "language": ENGLISH} for one in english]
    figures = measure([one["text"] for one in records], np.array([str(one["language"]) for one in records]))
    if arguments.table is not None:
        arguments.table.write_text(table(figures), encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()

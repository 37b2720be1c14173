"""The card of a dataset for Hugging Face: README.md, whose head says which files are which split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from sequitur import __version__
from sequitur.api.exports.tally import BY, DROPPED, Tally
from sequitur.pipeline.config import Config
from sequitur.shards.views.text import harmless

MOST_ROWS = 50  # of a table
NAME_CHARACTERS = 120
NONE = "\u2013"  # where there is no number
SIZES = "1K 10K 100K 1M 10M 100M 1B 10B 100B 1T"  # names of 10³, 10⁴, …
HUB_LICENSES = (
    "apache-2.0 mit bsd-2-clause bsd-3-clause isc mpl-2.0 unlicense zlib gpl-2.0 gpl-3.0 lgpl-2.1 lgpl-3.0 agpl-3.0 "
    "cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-nc-nd-4.0 odc-by pddl odbl gfdl"
)  # as the hub names them
MEANINGS = {
    "id": "the record's own id, or else `doc_id`",
    "text": "the text, as it was trained on",
    "doc_id": "32 digits, made of the dataset's name and the record's id or place",
    "record_id": "the record's own id",
    "source": "where it is from",
    "url": "its address",
    "timestamp": "its time",
    "license": "what the record says of its licence",
    "source_file": "the file it was read from",
    "source_row": "records before it in that file",
    "metadata": "JSON of the record's other fields",
    "kept": "whether it is in the order",
    "reason": "why it was dropped",
    "duplicate_of": "`doc_id` of the document that stayed for it",
    "evidence": "`doc_id` of the document it was compared with",
    "similarity": "of the two",
    "tokens": "its length",
    "split": "where it stands in the shards",
    "position": "its place in the order, from 0: what follows one another is related",
    "path": "the stretch of the order that it is in: a cluster of related documents",
    "family": "the family of shards",
    "cosine_to_previous": "to the document before it in the order",
    "neighbors": "`doc_id` of the documents nearest to it, best first",
    "neighbor_cosines": "their cosines",
}


def card(config: Config, fingerprints: Mapping[str, str], tally: Tally, columns: Sequence[str]) -> str:
    """README.md: statistics, licences, and how the dataset was made. Holds no clock and no path of the run.

    Args:
        config: of the run.
        fingerprints: of its artifacts, by name.
        tally: what was written.
        columns: of the files.
    """
    kept = {name: count for name, count in tally.documents.items() if name != DROPPED}
    total = sum(kept.values())
    parts = [
        f"---\n{yaml.safe_dump(_head(config, tally), sort_keys=False, allow_unicode=True)}---",
        f"# {_cell(config.name)}",
        f"{total:,} documents, curated and ordered by Sequitur {__version__}.",
        "## Documents",
        _table(
            ("split", "documents", "tokens", "bytes of text"),
            (
                (name, count, tally.tokens.get(name), tally.text_bytes.get(name))
                for name, count in _sorted(tally.documents)
            ),
        ),
    ]
    for what, title in zip(BY, ("Sources", "Languages", "Licences"), strict=True):
        if any(value is not None for value in tally.by[what]):
            parts += [f"## {title}", _table((what, "documents", "share"), _shares(tally.by[what], total))]
    if tally.left_out:
        parts += ["## Left out", _table(("reason", "documents"), _sorted(tally.left_out))]
    meanings = [(name, _Markdown(MEANINGS[name])) for name in columns if name in MEANINGS]
    parts += ["## Columns", _table(("column", "meaning"), meanings)]
    if others := [_cell(name) for name in columns if name not in MEANINGS]:
        parts.append(f"And what each document is judged by, its signals: {', '.join(others)}.")
    parts += [
        "## How it was made",
        "The same configuration over the same inputs gives the same files.",
        _code(yaml.safe_dump(config.model_dump(mode="json", exclude={"output"}), sort_keys=False, allow_unicode=True)),
        _table(("artifact", "fingerprint"), fingerprints.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _head(config: Config, tally: Tally) -> dict[str, Any]:
    """The metadata that the hub reads, and by which `datasets.load_dataset` finds the splits."""
    splits = [name for name, _ in _sorted(tally.documents) if name != DROPPED]
    configs = [{"config_name": "default", "default": True, "data_files": [_files(name) for name in splits]}]
    if tally.documents.get(DROPPED):
        configs.append({"config_name": DROPPED, "data_files": [_files(DROPPED)]})
    total = sum(tally.documents[name] for name in splits)
    head: dict[str, Any] = {"pretty_name": config.name}
    if languages := _languages(tally.by["language"], total):
        head["language"] = languages
    head |= {
        "license": _license(tally.by["license"]),
        "task_categories": ["text-generation"],
        "size_categories": [_size(total)],
        "tags": ["sequitur"],
        "configs": configs,
    }
    return head


def _files(name: str) -> dict[str, str]:
    return {"split": name, "path": f"data/{name}-*.parquet"}


def _languages(counts: Counter[str | None], total: int) -> list[str]:
    """Codes of the languages that one document in a hundred or more is in, the most frequent first."""
    return [
        code for code, count in _sorted(counts) if code and code != "und" and len(code) < 4 and 100 * count >= total
    ]


def _license(counts: Counter[str | None]) -> str | list[str]:
    """All licences, where every document has one that the hub knows; else `other`, or `unknown` where there is none."""
    named = [None if one is None else one.strip().lower().replace(" ", "-") for one, _ in _sorted(counts)]
    if not any(named):
        return "unknown"
    hub = HUB_LICENSES.split()
    known = list(dict.fromkeys(one for one in named if one in hub))
    return known if all(one in hub for one in named) else "other"


def _size(count: int) -> str:
    """As the hub has it: `n<1K`, `1K<n<10K`, …, `n>1T`."""
    names = SIZES.split()
    reached = max(len(str(count)) - 3, 0)  # how many of them
    if not reached:
        return f"n<{names[0]}"
    return f"{names[reached - 1]}<n<{names[reached]}" if reached < len(names) else f"n>{names[-1]}"


class _Markdown(str):
    """Text of ours, which is Markdown already."""


def _sorted(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """The largest first, of equals by name."""
    return sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))


def _shares(counts: Counter[str | None], total: int) -> Iterable[tuple[object, ...]]:
    ordered = _sorted(counts)
    for name, count in ordered[:MOST_ROWS]:
        yield ("not said" if name is None else name), count, f"{count / total:.1%}"
    if rest := ordered[MOST_ROWS:]:
        count = sum(count for _, count in rest)
        yield f"{len(rest):,} others", count, f"{count / total:.1%}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    """A value as text in Markdown: whatever a source is called, it is no markup."""
    if isinstance(value, _Markdown):
        return value
    if value is None:
        return NONE
    if isinstance(value, int):
        return f"{value:,}"
    text = " ".join(harmless(str(value)).split())
    text = text if len(text) <= NAME_CHARACTERS else f"{text[: NAME_CHARACTERS - 1]}…"
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~$:@])", r"\\\1", text)


def _code(text: str) -> str:
    """A block that no text can end, since it is told by its indentation."""
    return "\n".join(f"    {line}" for line in harmless(text).splitlines())

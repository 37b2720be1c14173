"""Duplicates for the report's page: how large their clusters are, and some beside the document that stayed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SEMANTIC, SEMANTIC_DUPLICATES
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.storage import Directory
from sequitur.shards.views.text import title_in
from sequitur.stages.report.removed import Unquotable, unquotable
from sequitur.stages.report.titles import NamedDocuments, in_a_line
from sequitur.stages.shared.columns.lookup import Place, places_of_ids, places_of_ordinals

SIZES = (2, 3, 4, 5, 6, 11, 101, 1001)  # where the bins of cluster sizes begin
LEAST_ALIKE, AT_RANDOM = 3, 3  # examples of each kind
READ_CHARACTERS = 2**16  # of an example, in which its first difference is looked for
SHOWN_WORDS, BEFORE, SHOWN_CHARACTERS = 260, 30, 2000  # of an example; words before its first difference
WORD = re.compile(r"\s+|\w+|[^\w\s]")


class Pair(NamedTuple):
    """A document that was dropped for one that stayed."""

    kind: str
    similarity: float
    key: float  # random, by which examples are drawn
    dropped: Place | int  # where it stands, or the ordinal of a semantic duplicate
    kept: bytes | int  # id, or ordinal
    direct: bool  # whether the similarity is that of this pair, and not to another of its cluster
    overlap: float | None = None  # of a semantic duplicate's rarer word pairs with those of the one that stayed


def duplicates(root: Directory, documents: NamedDocuments, seed: int) -> dict[str, Any]:
    """The clusters of each kind of duplicate, and examples. `seed` is the configured one.

    Returns:
        `clusters`: by kind `documents` (dropped), `clusters`, `largest` (documents, the one that stays among them) and
        `sizes`: `from`, `to`, `count`; `examples`: `kind`, `similarity` (a semantic duplicate's cosine), `overlap`,
        `direct`, and `kept` and `dropped`, each with `title`, `source`, `name` and `text`, a list of [whether the other
        has it too, some text].

    Of each kind the examples are the LEAST_ALIKE, where the threshold shows, and some at random, by the seed; none is a
    copy of what was removed from the shards since.

    Cost: one pass over the verdicts, and over the ids of all documents; about 50 bytes for each duplicate. The text of
    the parts that hold an example is decompressed.
    """
    kept_of: dict[str, list[pa.Array]] = {}
    chosen: dict[str, list[Pair]] = {}
    for kind, kept, pairs in _pairs(root, seed, unquotable(root)):
        kept_of.setdefault(kind, []).append(kept)
        chosen[kind] = _best(chosen.get(kind, []) + pairs)
    clusters = {}
    for kind, chunks in kept_of.items():
        sizes = 1 + pc.value_counts(pa.chunked_array(chunks)).field("counts").to_numpy()
        clusters[kind] = {
            "documents": sum(map(len, chunks)),
            "clusters": len(sizes),
            "largest": int(sizes.max()),
            "sizes": _binned(sizes),
        }
    pairs = [
        pair for kind in sorted(chosen) for pair in sorted(chosen[kind], key=lambda pair: (pair.similarity, pair.key))
    ]
    return {"clusters": clusters, "examples": _examples(root, documents, pairs)}


def _pairs(root: Directory, seed: int, gone: Unquotable) -> Iterator[tuple[str, pa.Array, list[Pair]]]:
    """For each part and kind of duplicate: what stays in place of each, and the pairs that may be examples."""
    columns = ["reason", "duplicate_of", "evidence", "similarity"]
    selection, semantic = root / SELECTION, root / SEMANTIC_DUPLICATES
    for part, entry in enumerate(artifacts.require_manifest(selection).parts):
        batch = artifacts.map_part(selection, entry, columns)
        rows = np.flatnonzero(batch.column("duplicate_of").is_valid().to_numpy(zero_copy_only=False))
        batch = batch.take(pa.array(rows))
        keys = _keys(seed, entry.name, len(rows))
        reasons = pc.cast(batch.column("reason"), pa.string())
        for kind in sorted(pc.unique(reasons).to_pylist()):
            here = np.flatnonzero(pc.equal(reasons, kind).to_numpy(zero_copy_only=False))
            kept, evidence, similarity = (batch.column(name).take(pa.array(here)) for name in columns[1:])
            alike = similarity.fill_null(np.nan).to_numpy().astype(np.float64)
            shown = pc.invert(pc.is_in(kept, gone.ids.cast(kept.type))).to_numpy(zero_copy_only=False)
            some = _candidates(alike, keys[here], np.flatnonzero(shown))
            pairs = [
                Pair(kind, float(alike[at]), float(keys[here[at]]), Place(part, int(rows[here[at]])), kept[at].as_py(),
                     kept[at].as_py() == evidence[at].as_py())
                for at in some
            ]  # fmt: skip
            yield kind, kept, pairs
    for entry in artifacts.require_manifest(semantic).parts:
        batch = artifacts.map_part(semantic, entry, ["ordinal", "duplicate_of", "cosine", "overlap"])
        dropped, kept, cosine = (batch.column(name).to_numpy() for name in ("ordinal", "duplicate_of", "cosine"))
        keys = _keys(seed, f"semantic {entry.name}", len(dropped))
        if len(dropped):
            shown = np.flatnonzero(~np.isin(kept, gone.ordinals))
            some = _candidates(cosine.astype(np.float64), keys, shown)
            yield SEMANTIC, batch.column("duplicate_of"), [
                Pair(SEMANTIC, float(cosine[at]), float(keys[at]), int(dropped[at]), int(kept[at]), True,
                     batch.column("overlap")[at].as_py())
                for at in some
            ]  # fmt: skip


def _keys(seed: int, name: str, count: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(derived_seed(seed, "report", "duplicates", name))).random(count)


def _candidates(similarity: np.ndarray, keys: np.ndarray, shown: np.ndarray) -> list[int]:
    """Which pairs may be examples, of those that are `shown` (int64, ascending)."""
    least = shown[np.lexsort((keys[shown], similarity[shown]))[:LEAST_ALIKE]]
    return sorted({*least.tolist(), *shown[np.argsort(keys[shown])[: LEAST_ALIKE + AT_RANDOM]].tolist()})


def _best(pairs: list[Pair]) -> list[Pair]:
    """Of some pairs of a kind those that are least alike, unless all are equally so, and then by their random keys."""
    by_similarity = sorted(pairs, key=lambda pair: (pair.similarity, pair.key))
    least = by_similarity[:LEAST_ALIKE] if by_similarity and by_similarity[0].similarity < 1 else []
    rest = sorted((pair for pair in pairs if pair not in least), key=lambda pair: pair.key)
    return least + rest[: AT_RANDOM if least else LEAST_ALIKE]


def _binned(sizes: np.ndarray) -> list[dict[str, int | None]]:
    counts = np.bincount(np.searchsorted(SIZES, sizes, side="right") - 1, minlength=len(SIZES)).tolist()
    ends = [*(begin - 1 for begin in SIZES[1:]), None]
    last = max(index for index, count in enumerate(counts) if count)
    return [
        {"from": begin, "to": end, "count": count}
        for begin, end, count in list(zip(SIZES, ends, counts, strict=True))[: last + 1]
    ]


def _examples(root: Directory, documents: NamedDocuments, pairs: list[Pair]) -> list[dict[str, Any]]:
    ends = [end for pair in pairs for end in (pair.kept, pair.dropped)]
    of_id = places_of_ids(root / DOCUMENTS, {end for end in ends if isinstance(end, bytes)})
    of_ordinal = places_of_ordinals(root / SELECTION, [end for end in ends if isinstance(end, int)])

    def place_of(end: Place | bytes | int) -> Place | None:
        if isinstance(end, bytes):
            return of_id.get(end)  # none of another run's documents is here
        return of_ordinal[end] if isinstance(end, int) else end

    found = [
        (pair, kept, dropped) for pair in pairs if (kept := place_of(pair.kept)) and (dropped := place_of(pair.dropped))
    ]
    places = [place for _, *both in found for place in both]
    about, texts = documents.about(places), documents.beginnings(places, READ_CHARACTERS)
    examples = []
    for pair, *both in found:
        shown = side_by_side(*(texts[place] for place in both))
        sides = {
            side: {**about[place], "title": about[place]["title"] or in_a_line(title_in(texts[place])), "text": text}
            for side, place, text in zip(("kept", "dropped"), both, shown, strict=True)
        }
        figures = {"similarity": pair.similarity, "overlap": pair.overlap, "direct": pair.direct}
        examples.append({"kind": pair.kind, **figures, **sides})
    return examples


def side_by_side(kept: str, dropped: str) -> tuple[list[list[Any]], list[list[Any]]]:
    """Two texts from shortly before their first difference, each as runs [whether the other has it too, some text].

    Compares SHOWN_WORDS words (a run of white space, of letters, or one other character) of either; some 50 ms.
    """
    words = [WORD.findall(text) for text in (kept, dropped)]
    common = next(
        (at for at, (one, other) in enumerate(zip(*words, strict=False)) if one != other), min(map(len, words))
    )
    begin = max(common - BEFORE, 0) if any(len(one) > common for one in words) and common > SHOWN_WORDS // 2 else 0
    ours, theirs = (one[begin : begin + SHOWN_WORDS] for one in words)
    blocks = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    runs: tuple[list[list[Any]], list[list[Any]]] = ([], [])
    for operation, first, last, other_first, other_last in blocks:
        for side, some in ((0, ours[first:last]), (1, theirs[other_first:other_last])):
            if some:
                runs[side].append([operation == "equal", "".join(some)])
    for side, one in enumerate(words):
        if begin:
            runs[side].insert(0, [True, "… "])
        if begin + SHOWN_WORDS < len(one):
            runs[side].append([True, " …"])
    return _cut(runs[0]), _cut(runs[1])


def _cut(runs: list[list[Any]]) -> list[list[Any]]:
    """At most SHOWN_CHARACTERS of some runs."""
    left = SHOWN_CHARACTERS
    some: list[list[Any]] = []
    for same, text in runs:
        some.append([same, text[:left]])
        left -= len(text)
        if left < 0:
            return [*some, [True, " …"]]
    return some

"""What became of a document, `sequitur trace`, and why two of them are together or not, `sequitur why`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from sequitur.graph_sort.near_duplicates import pair_cosines
from sequitur.inspection import history, whereabouts
from sequitur.inspection.history import Standing
from sequitur.inspection.in_extensions import asked, placed
from sequitur.pipeline import artifacts, nearby, schemas
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import CorruptPart, DocumentUnknown
from sequitur.pipeline.names import NEIGHBORS, SELECTION, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run, text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.near_duplicates import ngram_jaccard
from sequitur.stages.shared.columns.lookup import (
    Corpus,
    Place,
    corpus_of,
    describe,
    find,
    places_of_ordinals,
    row_of,
    standing,
)
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.text_core.units.shingles import jaccard, shingle_sets
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import word_table

NEAREST = 5  # of a document, that `trace` describes


def trace(run: Run, name: str) -> Mapping[str, Any]:
    """The whole history of one record of a run, so far as the run has come.

    Args:
        run: with finished `documents`; what is not finished, or out of date, is null.
        name: as in `lookup.find`.

    Returns:
        `outcome`: rejected, dropped, placed, unplaced (the shards do not hold it) or unfinished; `document`, or
        `reject`; `changes` by refining; `signals`; `rules`; `contamination`; `losses`: how it was lost, then how the
        one that it was lost to was, each with `to`, the document that stayed; `ordinal`, `tokens`, `neighbors`,
        `order`, `contexts`; `finished`: the artifacts that are up to date; and the `extension`, where it is a document
        of one.

    Raises:
        DocumentUnknown: the name fits no record, or several.

    Cost: a pass over the columns of ids and names; the text of a few parts; the columns of pieces of its shards.
    """
    with _damage_named(run.config.output), nearby.copies(run.root) as root:
        told, extension = asked(root, run.config, lambda root, config: _trace(root, config, name, run.progress))
        return told if extension is None else placed(root, extension, dict(told), run.progress)


def _trace(root: Directory, config: Config, name: str, progress: Progress) -> Mapping[str, Any]:
    found = find(root, name, progress)
    if found.place is None:
        return {"outcome": "rejected", "reject": found.reject, "document": None}
    text = text_artifact(config)
    at, stand, corpus = found.place, standing(root, text), corpus_of(root, text)
    document = describe(corpus, [at])[at]
    told: dict[str, Any] = {
        "outcome": "unfinished",
        "document": document | _size(corpus.documents, at),
        "changes": history.changes(root, stand, at),
        "signals": history.signals(root, stand, at),
        **dict.fromkeys(("rules", "contamination", "ordinal", "tokens", "neighbors", "order", "contexts")),
        "losses": [],
        "finished": list(stand),
    }
    if SELECTION not in stand:
        return told
    told["rules"] = history.rules(root, stand, at)
    told["contamination"] = history.contamination(root, bytes.fromhex(document["doc_id"]))
    told["losses"] = [lost.to_json() | {"to": known} for lost, _, known in history.chain(root, config, stand, at)]
    told["ordinal"] = ordinal = history.verdict(root, stand, at)["ordinal"]
    if ordinal is not None:
        progress.step("reading its neighbours and contexts")
        told |= _further(root, corpus, stand, ordinal, progress)
    if told["losses"]:
        told["outcome"] = "dropped"
    elif told["contexts"] is not None:
        told["outcome"] = "placed" if told["contexts"] else "unplaced"
    return told


def _size(documents: Directory, place: Place) -> dict[str, Any]:
    """Characters of the text as it was read."""
    part = artifacts.require_manifest(documents).parts[place.part]
    return {"characters": len(row_of(documents, part, place.row, ["text"])["text"])}


def _further(root: Directory, corpus: Corpus, stand: Standing, ordinal: int, progress: Progress) -> dict[str, Any]:
    """What became of a document that `select` kept."""
    told: dict[str, Any] = {"tokens": whereabouts.tokens(root, stand, ordinal), "neighbors": None}
    told["order"] = order = whereabouts.order_position(root, stand, ordinal)
    lists = whereabouts.neighbors(root, stand, ordinal)
    ids = [] if lists is None else lists[0][:NEAREST].tolist()
    beside = [] if order is None else [one for one in (order["before"], order["after"]) if one is not None]
    places = places_of_ordinals(root / SELECTION, [*ids, *beside])
    known = describe(corpus, places.values())
    if lists is not None:
        cosines = lists[1].tolist()
        told["neighbors"] = [known[places[one]] | {"cosine": cosine} for one, cosine in zip(ids, cosines, strict=False)]
    if order is not None:
        for side in ("before", "after"):
            order[side] = None if order[side] is None else known[places[order[side]]]
    contexts = whereabouts.contexts(root, stand, [ordinal], progress)
    told["contexts"] = None if contexts is None else contexts[ordinal]
    return told


def why(run: Run, name_a: str, name_b: str) -> Mapping[str, Any]:
    """What two documents of a run, or of one extension of it, have to do with each other.

    Args:
        run: with finished `documents`; what is not finished, or out of date, is null.
        name_a: as in `lookup.find`.
        name_b: likewise.

    Returns:
        `a`, `b`: of each `document`, `losses`, `ordinal`, `order` and `contexts`, as of `trace`;
        `cosine`: of the `model`'s own vectors, and of the `graph`'s, in which the words may have a share;
        `ranks`: `b_for_a`, `a_for_b`: the place in the other's list, from 1, or null; `k`, how long lists are; and the
        least cosine in each, `least_for_a`, `least_for_b`;
        `path`: whether it is the `same`, how many documents they are `apart` on it, whether they are of `same_family`;
        `contexts`: those `shared`, with the pieces and tokens between; and `apart`, the least difference of context_id;
        `duplicates`: whether the texts are `equal`; `jaccard`, the similarity of their shingles of `shingle_words`, of
        which `least_jaccard` makes fuzzy duplicates; `signature_jaccard`, as MinHash estimates it; `token_jaccard`, of
        their n-grams of tokens; `least_cosine`, which makes near-duplicates, together with the `least_overlap` of rarer
        word pairs (null: the cosine alone); and whether they are of the `same_group`:
        one was lost to the other, or both to a third.

    Raises:
        DocumentUnknown: a name fits no document, or several, or both are of one document.
    """
    with _damage_named(run.config.output), nearby.copies(run.root) as root:
        return asked(root, run.config, lambda root, config: _why(root, config, (name_a, name_b), run.progress))[0]


def _why(root: Directory, config: Config, names: tuple[str, str], progress: Progress) -> Mapping[str, Any]:
    places = [_document(root, name, progress) for name in names]
    if places[0] == places[1]:
        raise DocumentUnknown(f"{names[0]} and {names[1]}: are one document; give two")
    stand = standing(root, text_artifact(config))
    sides = [_side(root, config, stand, place) for place in places]
    ordinals = [side["ordinal"] for side in sides]
    contexts = whereabouts.contexts(root, stand, [one for one in ordinals if one is not None], progress)
    for side in sides:
        side["contexts"] = None if contexts is None else contexts.get(side["ordinal"], [])
    return {
        "a": sides[0],
        "b": sides[1],
        "cosine": _cosines(root / VECTORS, stand, ordinals),
        "ranks": _ranks(root, config.neighbors.k, stand, ordinals),
        "path": _paths(sides),
        "contexts": _shared(sides),
        "duplicates": _evidence(root, config, stand, places, sides),
    }


@contextmanager
def _damage_named(output: str) -> Iterator[None]:
    """What is looked at is not hashed first, which would read it all; what cannot be read has a name."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())[:200]
        raise CorruptPart(f"{output}: an artifact is damaged ({what}); `sequitur verify` names it") from error


def _document(root: Directory, name: str, progress: Progress) -> Place:
    place = find(root, name, progress).place
    if place is None:
        raise DocumentUnknown(f"{name}: is a record that could not be read; see `sequitur trace {root.url} {name}`")
    return place


def _side(root: Directory, config: Config, stand: Standing, place: Place) -> dict[str, Any]:
    ordinal = history.verdict(root, stand, place)["ordinal"] if SELECTION in stand else None
    order = None if ordinal is None else whereabouts.order_position(root, stand, ordinal)
    chain = history.chain(root, config, stand, place)
    losses = [lost.to_json() | {"to": known, "_place": to} for lost, to, known in chain]
    return {
        "document": describe(corpus_of(root, text_artifact(config)), [place])[place],
        "losses": losses,
        "ordinal": ordinal,
        "order": order and {name: value for name, value in order.items() if name not in ("ordinal", "before", "after")},
    }


def _cosines(vectors: Directory, stand: Standing, ordinals: list[int | None]) -> dict[str, float] | None:
    if VECTORS not in stand or None in ordinals:
        return None
    ids = np.array(ordinals, dtype=np.int64)
    found = {}
    for name, own in (("model", True), ("graph", False)):
        rows = StoredVectors(vectors, own=own)[ids]
        found[name] = float(pair_cosines(rows[:1], rows[1:])[0])
    return found


def _ranks(root: Directory, k: int, stand: Standing, ordinals: list[int | None]) -> dict[str, Any] | None:
    if NEIGHBORS not in stand or None in ordinals:
        return None
    found: dict[str, Any] = {"k": k}
    for name, mine, other in (("a", ordinals[0], ordinals[1]), ("b", ordinals[1], ordinals[0])):
        lists = whereabouts.neighbors(root, stand, mine)  # type: ignore[arg-type]
        rank = [] if lists is None else np.flatnonzero(lists[0] == other).tolist()
        found[f"{'b' if name == 'a' else 'a'}_for_{name}"] = rank[0] + 1 if rank else None
        found[f"least_for_{name}"] = None if lists is None or not len(lists[1]) else float(lists[1][-1])
    return found


def _paths(sides: list[dict[str, Any]]) -> dict[str, Any] | None:
    a, b = (side["order"] for side in sides)
    if a is None or b is None:
        return None
    same = a["path"] == b["path"]
    return {
        "same": same,
        "apart": abs(a["position"] - b["position"]) if same else None,
        "same_family": a["family"] == b["family"],
    }


def _shared(sides: list[dict[str, Any]]) -> dict[str, Any] | None:
    a, b = (side["contexts"] for side in sides)
    if a is None or b is None:
        return None
    shared, apart = [], []
    for one in a:
        for other in b:
            if (one["directory"], one["split"]) != (other["directory"], other["split"]):
                continue
            apart.append(abs(one["context_id"] - other["context_id"]))
            if not apart[-1]:
                first, second = sorted((one, other), key=lambda piece: piece["offset"])
                shared.append(
                    {name: one[name] for name in ("directory", "split", "row", "context_id")}
                    | {
                        "pieces_between": second["piece"] - first["piece"] - 1,
                        "tokens_between": second["offset"] - first["offset"] - first["length"],
                    }
                )
    return {"shared": shared, "apart": min(apart, default=None)}


def _evidence(
    root: Directory, config: Config, stand: Standing, places: list[Place], sides: list[dict[str, Any]]
) -> dict[str, Any]:
    directory = root / text_artifact(config)
    parts = artifacts.require_manifest(directory).parts
    texts = [row_of(directory, parts[place.part], place.row, ["text"])["text"] for place in places]
    column = pa.array(texts, pa.large_string())
    sets = shingle_sets(word_table(from_arrow(composed(column))), config.annotate.shingle_words)
    ordinals = [side["ordinal"] for side in sides]
    families = []
    for place, side in zip(places, sides, strict=True):
        stayed = [lost.pop("_place") for lost in side["losses"]]
        families.append({place, *(one for one in stayed if one is not None)})
    return {
        "equal": _equal(root / SIGNALS, stand, places),
        "jaccard": float(jaccard(sets, sets, np.array([[0, 1]], dtype=np.int64))[0]),
        "least_jaccard": config.select.jaccard,
        "shingle_words": config.annotate.shingle_words,
        "signature_jaccard": _signatures(root / SIGNALS, stand, places),
        "token_jaccard": float(ngram_jaccard(root / TOKENS, np.array([ordinals], dtype=np.int64))[0])
        if TOKENS in stand and None not in ordinals
        else None,
        "least_cosine": config.neighbors.least_cosine,
        "least_overlap": config.neighbors.duplicate_overlap,
        "same_group": bool(families[0] & families[1]),
    }


def _equal(signals: Directory, stand: Standing, places: list[Place]) -> bool | None:
    """Whether the normalised texts are equal, by their hashes."""
    if SIGNALS not in stand:
        return None
    parts = stand[SIGNALS].parts
    hashes = [row_of(signals, parts[at.part], at.row, ["content_hash"]) for at in places]
    return bool(hashes[0] == hashes[1])


def _signatures(signals: Directory, stand: Standing, places: list[Place]) -> float | None:
    """In what share of places the MinHash signatures agree, by which pairs are proposed."""
    if SIGNALS not in stand:
        return None
    rows = []
    for at in places:
        part = stand[SIGNALS].parts[at.part]
        column = artifacts.map_part(signals, part, ["minhash"]).column("minhash")
        rows.append(schemas.list_matrix(column)[at.row])
    return float((rows[0] == rows[1]).mean())

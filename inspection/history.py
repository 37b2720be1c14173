"""What each artifact of a run tells of one document, as plain values that JSON can hold.

`root` is that of the run everywhere, `config` its own configuration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import (
    CHANGES,
    CONTAMINATION,
    DOCUMENTS,
    ELSEWHERE,
    NEIGHBORS,
    REFINED,
    SELECTION,
    SEMANTIC,
    SEMANTIC_DUPLICATES,
    SIGNALS,
    SUBSET,
    UNSELECTED,
)
from sequitur.pipeline.stage import text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.lookup import (
    Place,
    corpus_of,
    describe,
    places_of_ids,
    places_of_ordinals,
    row_by_ordinal,
    row_of,
)
from sequitur.stages.shared.quality_rules import EMPTY, LANGUAGE, LANGUAGE_UNCLEAR
from sequitur.text_core.signals.rules import Rule, first_failed

LONGEST_CHAIN = 100  # of documents that were each lost to the next

Standing = Mapping[str, Manifest]


def changes(root: Directory, standing: Standing, place: Place) -> list[dict[str, Any]] | None:
    """What refining did to the document, operation by operation; None where nothing is refined."""
    if REFINED not in standing:
        return None
    name = standing[DOCUMENTS].parts[place.part].name
    found: list[dict[str, Any]] = []
    for part in artifacts.require_manifest(root / CHANGES).parts:
        if part.name == name:
            batch = artifacts.map_part(root / CHANGES, part)
            batch = batch.filter(pc.equal(batch.column("row"), place.row)).select(batch.schema.names[2:])
            found += batch.to_pylist()
    return found


def signals(root: Directory, standing: Standing, place: Place) -> dict[str, Any] | None:
    """Every signal of the document but its signature; NaN and infinities as null."""
    if SIGNALS not in standing:
        return None
    directory, part = root / SIGNALS, standing[SIGNALS].parts[place.part]
    names = [name for name in _schema(directory, part).names if name != "minhash"]
    row = row_of(directory, part, place.row, names)
    return {name: _plain(value) for name, value in row.items()}


def _schema(directory: Directory, part: artifacts.Part) -> pa.Schema:
    return artifacts.map_part(directory, part).schema


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rules(root: Directory, standing: Standing, place: Place) -> list[dict[str, Any]]:
    """Each rule by which `select` judged the document alone, in the order in which they are tried; not the block lists.

    Of each `rule`, `signal`, `value`, its bounds `minimum` and `maximum` (null for none), and whether it `passed`, as
    documents do that it is not for; of the language the `allowed` ones.
    """
    parameters = standing[SELECTION].parameters
    listed = [Rule(EMPTY, "byte_count", minimum=1)]
    language = parameters.get("language") or {}
    allowed = language.get("keep") or []
    if allowed:
        listed.append(Rule(LANGUAGE_UNCLEAR, "language_score", minimum=language.get("min_score")))
    listed += [Rule.of_stored(rule) for rule in parameters.get("rules", [])]
    columns = sorted({name for rule in listed for name in rule.signals} | ({"language"} if allowed else set()))
    part = standing[SIGNALS].parts[place.part]
    batch = artifacts.map_part(root / SIGNALS, part, columns).slice(place.row, 1)
    found = []
    for rule in listed:
        column = batch.column(rule.signal)
        passed = bool(first_failed([rule], {name: batch.column(name).to_numpy() for name in rule.signals})[0] < 0)
        known = {"rule": rule.name, "signal": rule.signal, "value": _plain(column[0].as_py())}
        found.append({**known, "minimum": rule.minimum, "maximum": rule.maximum, "passed": passed})
    if allowed:
        value = batch.column("language")[0].as_py()
        known = {"rule": LANGUAGE, "signal": "language", "value": value, "minimum": None, "maximum": None}
        found.insert(1, {**known, "allowed": allowed, "passed": value in allowed})
    return found


def verdict(root: Directory, standing: Standing, place: Place) -> dict[str, Any]:
    """The row of `selection`, ids as bytes."""
    part = standing[SELECTION].parts[place.part]
    columns = ["kept", "reason", "duplicate_of", "evidence", "similarity", "ordinal"]
    return row_of(root / SELECTION, part, place.row, columns)


def contamination(root: Directory, doc_id: bytes) -> dict[str, Any] | None:
    """What the document shares with which evaluation file; None where it shares nothing that is looked for."""
    manifest = artifacts.read_manifest(root / CONTAMINATION)
    for part in manifest.parts if manifest else ():
        batch = artifacts.map_part(root / CONTAMINATION, part)
        found = batch.filter(pc.equal(batch.column("doc_id"), pa.scalar(doc_id, batch.schema.field("doc_id").type)))
        if found.num_rows:
            row: dict[str, Any] = found.slice(0, 1).to_pylist()[0]
            return {name: value for name, value in row.items() if name not in ("doc_id", "source")}
    return None


class Loss(NamedTuple):
    """How a document was lost: at which stage, for what reason, and to which other, if it was to one."""

    stage: str
    reason: str
    about: dict[str, Any]  # the figures that decided
    to: Place | None = None
    to_id: bytes | None = None  # of a document of another run

    def to_json(self) -> dict[str, Any]:
        return {"stage": self.stage, "reason": self.reason, **self.about}


def loss(root: Directory, config: Config, standing: Standing, place: Place) -> Loss | None:
    """How the document was lost, so far as the run has come; None where it was not."""
    if SELECTION not in standing:
        return None
    row = verdict(root, standing, place)
    if not row["kept"]:
        return _loss_by_select(root / DOCUMENTS, row, standing[SELECTION].parameters.get("jaccard"))
    if NEIGHBORS not in standing:
        return None
    duplicate = row_by_ordinal(
        root / SEMANTIC_DUPLICATES, row["ordinal"], ["duplicate_of", "cosine", "overlap", "jaccard"]
    )
    if duplicate is not None:
        settings, ordinal = config.neighbors, duplicate["duplicate_of"]
        about = {"cosine": duplicate["cosine"], "least_cosine": settings.least_cosine}
        for name, least in (("overlap", settings.duplicate_overlap), ("jaccard", settings.duplicate_jaccard)):
            if duplicate[name] is not None:
                about |= {name: duplicate[name], f"least_{name}": least}
        return Loss("neighbors", SEMANTIC, about, places_of_ordinals(root / SELECTION, [ordinal]).get(ordinal))
    unselected = row_by_ordinal(root / UNSELECTED, row["ordinal"], ["score"])
    if unselected is not None:
        subset = config.select.subset
        return Loss("neighbors", SUBSET, {"by": subset.by, "share": subset.share, "score": unselected["score"]})
    return None


def _loss_by_select(documents: Directory, row: Mapping[str, Any], least_jaccard: float | None) -> Loss:
    about: dict[str, Any] = {}
    if row["similarity"] is not None:
        about["jaccard"] = row["similarity"]
        about["least_jaccard"] = least_jaccard
    if row["evidence"] != row["duplicate_of"]:
        about["compared_with"] = row["evidence"].hex()  # the pair that decided; the survivor is of the same group
    wanted = row["duplicate_of"]
    if wanted is None:
        return Loss("select", row["reason"], about)
    if row["reason"] in ELSEWHERE:
        return Loss("select", row["reason"], about, to_id=wanted)
    return Loss("select", row["reason"], about, places_of_ids(documents, [wanted]).get(wanted))


def chain(
    root: Directory, config: Config, standing: Standing, place: Place
) -> Iterator[tuple[Loss, Place | None, Mapping[str, Any] | None]]:
    """Each loss from the document on: the loss, and the document that stayed for it, where there is one, and what is
    known of it; then how that one was lost, if it was."""
    corpus, seen = corpus_of(root, text_artifact(config)), {place}
    here: Place | None = place
    while here is not None and len(seen) <= LONGEST_CHAIN:
        found = loss(root, config, standing, here)
        if found is None:
            return
        here = found.to
        if here is not None:
            yield found, here, describe(corpus, [here])[here]
        else:
            yield found, None, _elsewhere(config.select.against, found.to_id)
        if here in seen:
            return
        if here is not None:
            seen.add(here)


def _elsewhere(against: Sequence[str], doc_id: bytes | None) -> Mapping[str, Any] | None:
    """What is known of a document of one of the runs that `select.against` names."""
    if doc_id is None:
        return None
    for name in against:
        root = Directory(name)
        if artifacts.read_manifest(root / DOCUMENTS) is None:
            continue
        if places := places_of_ids(root / DOCUMENTS, [doc_id]):
            here = describe(corpus_of(root, DOCUMENTS), places.values())[places[doc_id]]
            return {"doc_id": doc_id.hex(), "run": name, **here}
    return {"doc_id": doc_id.hex(), "run": ", ".join(against)}

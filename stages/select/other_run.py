"""Documents that another run kept: which of them some here equal or resemble. Its text is never read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts, builds, schemas
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.jobs import Jobs
from sequitur.pipeline.names import DOCUMENTS, SELECTION, SIGNALS
from sequitur.pipeline.storage import Directory
from sequitur.stages.select import candidates, fuzzy_duplicates
from sequitur.stages.select.against import OtherRun
from sequitur.stages.select.candidates import Likeness, Signatures
from sequitur.stages.select.fuzzy_duplicates import first_rows
from sequitur.stages.select.verdicts import bytes16
from sequitur.text_core.duplicates.equal_keys import key_table, others_and_leaders, rows_of
from sequitur.text_core.units.offsets import offsets_of

CANDIDATES, LINKS = "selection/_candidates_elsewhere", "selection/_links_elsewhere"
BLOCK_PAIRS = 4096  # pairs whose signatures are held beside each other


def equal_texts(other: OtherRun, hashes: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are `alive`, bool [n], whose content hash (dtype V16 [n]) a document there has, too, and the lowest
    ordinal of such: int64. Memory: 24 bytes a row, and 16 for each that is found."""
    return _equal(other, hashes, alive, other.root / SIGNALS, other.signals.parts, "content_hash")


def equal_ids(other: OtherRun, ids: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `equal_texts`, of each `doc_id`."""
    return _equal(other, ids, alive, other.root / DOCUMENTS, other.documents.parts, "doc_id")


def _equal(
    other: OtherRun, values: np.ndarray, alive: np.ndarray, directory: Directory, parts: tuple[Part, ...], column: str
) -> tuple[np.ndarray, np.ndarray]:
    table, found = key_table(values, alive), np.full(len(values), -1, dtype=np.int64)
    for number, ordinals in other.kept():
        batch = artifacts.read_part(directory, parts[number], [column])
        kept = np.flatnonzero(ordinals >= 0)
        rows = rows_of(table, bytes16(batch.column(column))[kept])
        hits = np.flatnonzero(rows >= 0)[::-1]
        hits = hits[found[rows[hits]] == -1]
        found[rows[hits]] = ordinals[kept[hits]]  # of several the first is written last
    others, leaders = others_and_leaders(table, alive)
    found[others] = found[leaders]
    rows = np.flatnonzero(found >= 0)
    return rows, found[rows]


def similar_texts(
    jobs: Jobs, root: Directory, likeness: Likeness, other: OtherRun, number: int, alive: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The documents here that are fuzzy duplicates of some there, and of which.

    Without the texts there, two documents are as similar as their signatures say: by the share of places in which they
    agree, of standard deviation √(J (1 − J) / permutations) about the Jaccard similarity J.

    Args:
        jobs: what runs the jobs.
        root: of this run, with finished `signals`.
        likeness: when documents are linked.
        other: a run that `select.against` names, as the one of this `number`.
        number: from 0.
        alive: bool by row; only these documents are compared.

    Returns:
        int64 rows here, the ordinal there of the most similar document (the first of equals), and the float64
        similarity.
    """
    fuzzy_duplicates.write_rows(root, fuzzy_duplicates.ALIVE, alive)
    first = len(alive)
    candidates_of, links_of = (working(name, number) for name in (CANDIDATES, LINKS))
    fingerprint = fuzzy_duplicates.fingerprint_among(root, candidates_of, fuzzy_duplicates.ALIVE)
    signals, pairs, links = root / SIGNALS, root / candidates_of, root / links_of
    if not artifacts.is_finished(pairs, fingerprint):
        found = builds.begin(pairs, fingerprint)
        sources = [
            Signatures(signals, root / fuzzy_duplicates.ALIVE, "row"),
            Signatures(other.root / SIGNALS, other.root / SELECTION, "ordinal", offset=first),
        ]
        documents = int(alive.sum()) + other.selection.statistics["kept"]
        candidates.find(jobs, root, sources, documents, found, likeness.bands, first_other=first)
        builds.finish(found, {}, {}, {})
    if not artifacts.is_finished(links, fingerprint):
        mine = Signed(signals, artifacts.require_manifest(signals).parts)
        fuzzy_duplicates.verify(jobs, pairs, mine, SignedElsewhere(other, first), links, likeness.jaccard)
    if not artifacts.require_manifest(links).rows:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, np.empty(0, dtype=np.float64)
    best = [_best(artifacts.read_part(links, part)) for part in artifacts.require_manifest(links).parts]
    rows, ordinals, similarity = (np.concatenate(column) for column in zip(*best, strict=True))
    return rows, ordinals - first, similarity


def _best(links: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each row `a` in a part, which has all links of it, the most similar `b`, the lowest of equals; and how similar
    it is."""
    a, b, similarity = (links.column(name).to_numpy() for name in ("a", "b", "similarity"))
    order = np.lexsort((b, -similarity, a))
    best = order[np.unique(a[order], return_index=True)[1]]
    return a[best], b[best], similarity[best]


def working(name: str, number: int) -> str:
    """The working artifact `name` for the run of this number."""
    return f"{name}_{number}" if number else name


def ids(other: OtherRun, ordinals: np.ndarray) -> np.ndarray:
    """The `doc_id` of some ordinals there, given ascending and each once: dtype V16."""
    found = [np.empty(0, dtype="V16")]
    for number, here in other.kept():
        wanted = np.isin(here, ordinals)
        if wanted.any():
            batch = artifacts.read_part(other.root / DOCUMENTS, other.documents.parts[number], ["doc_id"])
            found.append(bytes16(batch.column("doc_id"))[wanted])
    return np.concatenate(found)


class Signed:
    """The signatures of this run's documents, compared by the share of places in which they agree."""

    def __init__(self, signals: Directory, parts: tuple[Part, ...]) -> None:
        self._signals, self._parts = signals, parts
        self.starts = first_rows(parts)

    def open(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        minhash = schemas.list_matrix(artifacts.map_part(self._signals, self._parts[part], ["minhash"]).column(0))
        return self.starts[part] + np.arange(len(minhash)), minhash

    def similarity(self, mine: np.ndarray, others: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        blocks = np.split(pairs, range(BLOCK_PAIRS, len(pairs), BLOCK_PAIRS))
        return np.concatenate([(mine[block[:, 0]] == others[block[:, 1]]).mean(axis=1) for block in blocks])


class SignedElsewhere(Signed):
    """The signatures of the documents that another run kept; their rows are `first` and the ordinal."""

    def __init__(self, other: OtherRun, first: int) -> None:
        super().__init__(other.root / SIGNALS, other.signals.parts)
        self._selection, self._first = (other.root / SELECTION, other.selection.parts), first
        counts = [int((ordinals >= 0).sum()) for _, ordinals in other.kept()]
        self.starts = first + offsets_of(counts)[:-1]

    def open(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        directory, parts = self._selection
        ordinals = artifacts.read_part(directory, parts[part], ["ordinal"]).column(0)
        minhash = schemas.list_matrix(artifacts.map_part(self._signals, self._parts[part], ["minhash"]).column(0))
        kept = pc.is_valid(ordinals).to_numpy(zero_copy_only=False)
        return self._first + ordinals.drop_null().to_numpy(), minhash[kept]

"""A run opened to be looked at: its ledger, its measures, its artifacts as tables, and what is asked of documents.

What asks the stages is imported when it is asked for: it loads Beam and more, which takes seconds; tables do without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sequitur.api.artifact import Artifact
from sequitur.api.documents import JoinedDocuments
from sequitur.api.graph import MAX_DOCUMENTS, NeighborGraph
from sequitur.api.log_lines import unasked_log_lines_hidden
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline import config as configuration
from sequitur.pipeline.artifacts import Manifest
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ArtifactUnknown, MissingArtifact
from sequitur.pipeline.names import METRICS, REPORT
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run, text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.lookup import standing

if TYPE_CHECKING:
    import networkx

ORDERS = ("contexts", "path", "iclm", "random")


class RunView:
    """A run directory and what is in it. Nothing is read before it is asked for, and nothing is changed.

    Attributes:
        config: the configuration of the last run, its `output` being where it lies now.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._root = Directory(config.output)

    def __repr__(self) -> str:
        return f"RunView({self.path!r})"

    @property
    def path(self) -> str:
        """The run directory."""
        return self.config.output

    def _manifest(self, name: str) -> Manifest:
        return artifacts.require_manifest(self._root / name)

    @property
    def artifacts(self) -> list[str]:
        """The names of the finished artifacts, sorted."""
        ending = f"/{artifacts.MANIFEST}"
        names = [name.removesuffix(ending) for name in self._root.files() if name.endswith(ending)]
        return [name for name in names if "/_" not in f"/{name}"]  # not those that a stage is working with

    def artifact(self, name: str) -> Artifact:
        """One artifact, as in `selection` or `neighbors/duplicates`; docs/artifacts.md has their columns.

        It is given as it lies there, also where a change of settings has put it out of date: what `ordinal` counts is
        then said by another selection than the one beside it. `documents` joins only what goes together.

        >>> run.artifact("selection").to_table(["kept", "ordinal"]).schema.types
        [DataType(bool), DataType(int64)]

        Raises:
            ArtifactUnknown: none of that name is finished; the message lists those that are.
        """
        if name not in self.artifacts:
            listed = ", ".join(self.artifacts) or "none"
            raise ArtifactUnknown(f"{self.path}: no finished artifact {name}; there are {listed}")
        return Artifact(name, (self._root / name).url, self._manifest(name))

    @property
    def metrics(self) -> dict[str, Any]:
        """What `report/metrics.json` holds: `ledger`, `alarms`, `order`, `packing`, `distributions`, `stages`,
        `fingerprints`.

        Raises:
            MissingArtifact: the report is not finished, or tells of other artifacts than those that are there.
        """
        directory, manifest = self._root / REPORT, self._manifest(REPORT)
        for name, fingerprint in manifest.parents.items():
            if self._manifest(name).fingerprint != fingerprint:
                raise MissingArtifact(f"{directory.path()}: tells of other {name} than there are; run again")
        found: dict[str, Any] = directory.read_json(METRICS)
        return found

    @property
    def ledger(self) -> dict[str, Any]:
        """What became of every record and token, from `metrics`: `records`, `sources`, `tokens`, and `balances`.

        Raises:
            MissingArtifact: as of `metrics`.
        """
        found: dict[str, Any] = self.metrics["ledger"]
        return found

    def documents(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One row for each document that was read, in reading order: what all artifacts tell of it, joined.

        Columns, each read only if it is asked for:

        - `doc_id` (32 digits), `record_id`, `source`, `url`, `timestamp`, `source_file`, `source_row`, `metadata`
        - `license`, the record's, where that is a string
        - `text`, as the stages after `refine` read it; `title`, the record's or else what the text says first
        - `kept`: whether it has a place in the order, so far as the run has come; else `reason`, and of duplicates
          `duplicate_of`, the `doc_id` that stayed for it, with the `evidence` and `similarity` of the deciding pair
        - `ordinal`, by which the artifacts after `selection` name it
        - `tokens`, its length; `vector`
        - `position`, its place in the order, from 0; `path`, `family`, `opens`, `cosine_to_previous`
        - `neighbors`, the `doc_id` of each, best first; `neighbor_cosines`
        - `split`, where it stands in the shards
        - every signal by its name

        What does not apply to a document is null.

        >>> table = run.documents(["doc_id", "kept", "ordinal", "tokens", "position"])
        >>> placed = table.filter(table["kept"]).sort_by("position")
        >>> placed["position"].to_pylist() == list(range(placed.num_rows))
        True

        Args:
            columns: their names; if not given those of a few bytes a document that are there, without signals.

        Memory: the columns, all rows; `text` is the whole corpus, decompressed.

        Raises:
            ColumnUnknown: there is no such column; the message lists them.
            MissingArtifact: what tells it is not finished, or out of date.
        """
        text = text_artifact(self.config)
        return JoinedDocuments(self._root, text, standing(self._root, text)).table(columns)

    def export(
        self, out: str | Path, to: str = "parquet", *, columns: Sequence[str] | None = None, dropped: bool = False
    ) -> Mapping[str, Any]:
        """Write the documents that are kept, as `sequitur export` does, and return what its report says.

        >>> report = run.export("texts", columns=["id", "text", "language"])
        >>> sum(report["documents"].values()) == sum(run.documents(["kept"])["kept"].to_pylist())
        True

        Args:
            out: a directory, empty or not there.
            to: `jsonl`, `parquet` or `hf`; docs/exports.md tells of them.
            columns: as of `documents`, and `id`; if not given all but titles, vectors and hashes.
            dropped: write those that were dropped, too, in files of their own.

        Memory: a part of the documents, and some 100 bytes for each.

        Raises:
            ColumnUnknown: there is no such column.
            ExportRefused: `out` is in use, or no document is kept; from `sequitur.shards.exports`.
            MissingArtifact: what tells a column is not finished, or out of date.
            RemovalUnfinished: documents are being removed from the shards.
        """
        from sequitur.api.exports.documents import export_documents

        return export_documents(self.config, to, Path(out), columns=columns, dropped=dropped).to_json()

    def graph(self, around: str | None = None, hops: int = 1, *, max_documents: int = MAX_DOCUMENTS) -> networkx.Graph:
        """The graph of neighbours: undirected, its nodes the documents by `doc_id`.

        Two are joined where one is in the other's list of neighbours, by an edge of `kind` `neighbor` with their
        `cosine`, in which words may have a share. Near-duplicates that `neighbors` dropped are in it, too, each joined
        to the document that stayed by an edge of `kind` `duplicate`, with the model's own cosine. Of a node `ordinal`,
        `record_id`, `title`, `source`, `kept` and, if it was dropped, `reason`; what is unknown is left out.

        >>> first = placed["doc_id"][0].as_py()
        >>> graph = run.graph(around=first)
        >>> graph.nodes[first]["kept"], 0 < graph.degree[first] < len(graph)
        (True, True)

        Args:
            around: a document, named as for `trace`; the graph has those near it, and all edges between these.
            hops: how many edges to go from it.
            max_documents: a graph of more documents is refused; networkx takes about 400 bytes an edge.

        Memory: the graph, and of the neighbours' lists those of a part at a time.

        Raises:
            DocumentUnknown: the name fits no document, or several, or one that `select` dropped.
            MissingArtifact: `neighbors` are not finished, or out of date.
            OverMemory: there are more documents than `max_documents`.
        """
        text = text_artifact(self.config)
        graph = NeighborGraph(self._root, text, Progress(quiet=True), max_documents)
        return graph.whole() if around is None else graph.around(around, hops)

    def trace(self, document: str) -> Mapping[str, Any]:
        """What became of a document, as `sequitur trace --json` tells it.

        Args:
            document: its `doc_id` or 4 or more first digits of it, `record_id`, URL, or FILE:ROW.

        Raises:
            DocumentUnknown: the name fits no record, or several.
        """
        with unasked_log_lines_hidden():
            from sequitur.inspection.explain import trace

            return trace(Run(self.config), document)

    def why(self, document_a: str, document_b: str) -> Mapping[str, Any]:
        """Why two documents are together or not, as `sequitur why --json` tells it; named as for `trace`.

        Raises:
            DocumentUnknown: a name fits no document, or several, or both are of one.
        """
        with unasked_log_lines_hidden():
            from sequitur.inspection.explain import why

            return why(Run(self.config), document_a, document_b)

    def compare(self, orders: Sequence[str] = ORDERS, gain_contexts: int | None = None) -> Mapping[str, Any]:
        """The measures of several orders side by side, as `sequitur compare --json` tells them; nothing is written.

        Args:
            orders: names, as in `order.strategy`.
            gain_contexts: contexts sampled for in-context gain; 300 or fewer if not given.

        Raises:
            ConfigError: there is no such order.
            MissingArtifact: the run is not finished up to `neighbors`.
        """
        with unasked_log_lines_hidden():
            from sequitur.inspection.compare import compare

            return compare(Run(self.config), orders, gain_contexts)

    def try_rules(self, *overrides: str, examples: int = 2) -> Mapping[str, Any]:
        """What other rules would drop, as `sequitur rules try --json` tells it; nothing is run.

        Args:
            overrides: settings of `select`, as after `--set`.
            examples: documents to show of each reason.

        Raises:
            ConfigError: a setting is wrong, or changes the signals themselves.
        """
        with unasked_log_lines_hidden():
            from sequitur.inspection.rules_trial import try_rules

            return try_rules(Run(self.config), configuration.overridden(self.config, overrides), examples)


def open_run(path: str | Path) -> RunView:
    """Open a run directory, the `output` of a configuration that was run, without running anything.

    >>> sequitur.open_run(run.path).config == run.config
    True

    Raises:
        ForeignDirectory: no run is there.
    """
    directory = Directory(str(path))
    if directory.is_local:  # a notebook may go on in another directory
        directory = Directory(directory.path())
    return RunView(run_directory.read_config(directory))

"""Everything that the report's page shows, as plain JSON: bounded samples of a run, whatever its size."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from sequitur.pipeline.config import Config
from sequitur.pipeline.names import CONTAMINATED, REPEATED_ID, SELECT_DUPLICATES, SEMANTIC, SUBSET, TOKENS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.shards.views.text import harmless_all
from sequitur.stages.report.document_map import document_map
from sequitur.stages.report.duplicates import duplicates
from sequitur.stages.report.order_metrics import Cut, Yardstick
from sequitur.stages.report.path import along_the_path, context_cosines, fill, path_cosines
from sequitur.stages.report.reading import chosen_contexts, contexts_to_read
from sequitur.stages.report.signals import signal_histograms
from sequitur.stages.report.titles import NamedDocuments
from sequitur.stages.shared.judge import judge_of

PACKAGES = (
    "sequitur-data", "apache-beam", "datatrove", "faiss-cpu", "numba", "numpy", "pyarrow", "scikit-learn", "scipy",
    "sentence-transformers", "tokenizers", "torch",
)  # fmt: skip
LATER = (REPEATED_ID, CONTAMINATED, *SELECT_DUPLICATES, SEMANTIC, SUBSET)  # after what is judged alone
CONFIG_CHARACTERS = 50_000


def page_data(
    root: Directory,
    config: Config,
    report: Mapping[str, Any],
    cuts: Mapping[str, Cut],
    by: Yardstick,
    progress: Progress,
) -> dict[str, Any]:
    """What `stages.report.page.page.render` needs; every string in it is harmless to show.

    Args:
        root: of a run that is finished up to its shards.
        config: its own.
        report: the content of metrics.json.
        cuts: the contexts of each split.
        by: what orders are measured by.
        progress: told of the steps.

    Returns:
        `name`, `report`, `reasons` (in the order in which they are tried), `signals`, `duplicates`, `path`, `fill`,
        `map`, `contexts`, `documents` (of the ordinals in these: [title, name, source]), `config`, `versions`.

    Cost: two passes over the signals that are shown, one over the verdicts and one over the ids of duplicates; the
    vectors once more in the order of the path, of which 20 bytes a document are held; the texts of some tens of parts;
    t-SNE, a second or two.
    """
    train, documents = cuts["train"], NamedDocuments(root, root / text_artifact(config))
    judge = judge_of(config.select)
    progress.step("report: signals and duplicates")
    signals, copies = signal_histograms(root, judge, config.annotate), duplicates(root, documents, config.seed)
    progress.step("report: map and samples")
    cosines = path_cosines(train, by.own)
    coherence = context_cosines(train, cosines)
    chosen = chosen_contexts(train, coherence)
    path = along_the_path(train, cosines)
    reading = contexts_to_read(documents, train, chosen, coherence, cosines)
    seed = derived_seed(config.seed, "report", "map")
    drawn = document_map(root / TOKENS, train, chosen[~np.isnan(coherence[chosen])], by.own, seed)
    named = {*drawn["ordinals"]}
    named.update(piece["document"] for context in reading for piece in context["pieces"])
    named.update(ordinal for stretch in path["stretches"] for ordinal in stretch["documents"])
    ordinals = sorted(named)
    found: dict[str, Any] = harmless_all(
        {
            "name": config.name,
            "report": report,
            "reasons": [*judge.reasons, *LATER],
            "signals": signals,
            "duplicates": copies,
            "path": path,
            "fill": fill(list(cuts.values())),
            "map": drawn,
            "contexts": reading,
            "documents": {
                str(ordinal): [one["title"], one["name"], one["source"]]
                for ordinal, one in zip(ordinals, documents.titled(np.array(ordinals, dtype=np.int64)), strict=True)
            },
            # equal runs have equal pages, wherever they lie
            "config": config.model_copy(update={"output": "RUN"}).to_yaml()[:CONFIG_CHARACTERS],
            "versions": {"python": platform.python_version(), **_versions()},
        }
    )
    return found


def _versions() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return installed

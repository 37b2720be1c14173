"""A subset stays after near-duplicates: by coverage that of greedy choice, by targets what is about their topic."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sequitur.graph_sort.subset import facility_location
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.errors import ConfigError, InputError, SequiturError
from sequitur.pipeline.names import SEMANTIC_DUPLICATES, UNSELECTED
from sequitur.pipeline.stage import Run
from sequitur.stages.neighbors import stage as neighbors
from sequitur.stages.neighbors import subset
from sequitur.stages.neighbors.declaration import parameters, subset_parameters
from sequitur.stages.shared.columns.arrays import all_values, read_graph
from sequitur.stages.shared.columns.groups import group_codes
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from tests.conftest import Corpus


@pytest.fixture
def selected(branch: Callable[..., Run]) -> Callable[..., Run]:
    """Goes on from the vectors of the finished run with a subset of its documents."""

    def run(**settings: Any) -> Run:
        return branch("run", "neighbors", select={"subset": settings})

    return run


def lists(run: Run) -> np.ndarray:
    """The neighbours of the documents that stay, [n, k]."""
    table = artifacts.read_columns(run.artifact("neighbors"), ["neighbor"])
    return np.array(table["neighbor"].to_pylist())


def test_coverage_keeps_what_represents_all(finished: Run, selected: Callable[..., Run]) -> None:
    ordinals, graph = read_graph(finished.artifact("neighbors"))
    kept = ordinals[facility_location(graph, len(ordinals) // 4).ids]

    run = selected(by="coverage", share=0.25)

    staying, gone = (
        all_values(run.artifact("neighbors"), "ordinal"),
        all_values(run.artifact(UNSELECTED), "ordinal"),
    )
    assert staying.tolist() == sorted(kept.tolist())
    assert sorted([*staying.tolist(), *gone.tolist()]) == ordinals.tolist()
    assert (
        all_values(run.artifact(SEMANTIC_DUPLICATES), "ordinal").tolist()
        == all_values(finished.artifact(SEMANTIC_DUPLICATES), "ordinal").tolist()
    )
    assert set(lists(run).ravel().tolist()) <= {-1, *staying.tolist()}
    vectors = StoredVectors(run.artifact("vectors"), own=False).all().astype(np.float32)
    nearest = (vectors[gone] @ vectors[staying].T).max(axis=1)
    score = all_values(run.artifact(UNSELECTED), "score")
    assert (score <= nearest + 1e-5).all()
    assert np.isclose(score, nearest, atol=1e-5).mean() > 0.9
    assert list(neighbors.verify(run)) == []


@pytest.mark.parametrize("kind", ["jsonl", "text"])
def test_targets_keep_their_topic(selected: Callable[..., Run], corpus: Corpus, tmp_path: Path, kind: str) -> None:
    texts = [corpus.texts[name] for name, topic in corpus.topic.items() if topic == 2][:10]
    if kind == "jsonl":
        lines = [json.dumps({"text": text, "id": corpus.words[0], "source": corpus.words[1]}) for text in texts]
        (tmp_path / "target.jsonl").write_text("\n".join(lines))
    else:
        (tmp_path / "target.txt").write_text("\n\n".join(texts))

    run = selected(by="targets", share=0.1, targets=[str(tmp_path / "target.*")])

    staying = all_values(run.artifact("neighbors"), "ordinal")
    codes, names = group_codes(run.root, "section")
    assert np.mean([names[code] == "2" for code in codes[staying]]) > 0.8
    everyone = len(staying) + len(all_values(run.artifact(UNSELECTED), "ordinal"))
    assert len(staying) == everyone // 10
    assert list(neighbors.verify(run)) == []


def test_without_a_subset_all_stay(finished: Run) -> None:
    assert subset_parameters(finished.config) == {}
    assert not len(all_values(finished.artifact(UNSELECTED), "ordinal"))


def test_the_choice_is_made_once(selected: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = selected(by="coverage", share=0.5)
    staying, gone = (all_values(run.artifact(name), "ordinal") for name in ("neighbors", SEMANTIC_DUPLICATES))
    builds.begin(run.artifact("neighbors"), run.manifest("neighbors").fingerprint)
    monkeypatch.setattr(subset, "_left_out", None)
    among: Any = SimpleNamespace(members=np.setdiff1d(np.arange(run.manifest("vectors").rows), gone))
    assert subset.chosen(run.root, among, run.config, run.progress).tolist() == staying.tolist()


@pytest.mark.parametrize(
    ("chosen", "content", "error", "message"),
    [
        ({"by": "coverage", "share": 0.001}, None, ConfigError, "select.subset.share: 0.001 of .* keeps none"),
        ({"by": "targets"}, None, ConfigError, "select.subset.targets: .*no such file"),
        ({"by": "targets"}, "  \n", ConfigError, "holds no text; leave it out of select.subset.targets"),
        ({"by": "targets"}, "xyzzy", ConfigError, "select.subset.targets: .* nothing to go by"),
        ({"by": "targets"}, b"\xff", InputError, "not UTF-8.*select.subset.targets"),
    ],
    ids=["keeps-none", "missing", "empty", "nothing-known", "not-utf-8"],
)
def test_subsets_that_cannot_be_are_refused(
    selected: Callable[..., Run],
    tmp_path: Path,
    chosen: dict[str, Any],
    content: str | bytes | None,
    error: type[SequiturError],
    message: str,
) -> None:
    path = tmp_path / "target.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if chosen["by"] == "targets":
        chosen = chosen | {"targets": [str(path)]}

    with pytest.raises(error, match=message) as raised:
        selected(**chosen)
    assert "\n" not in str(raised.value)


def test_other_targets_make_other_neighbours(selected: Callable[..., Run], corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "target.txt"
    path.write_text(corpus.words[0])
    run = selected(by="targets", targets=[str(path)])
    before = parameters(run.config)
    path.write_text(corpus.words[1])

    assert parameters(run.config) != before

"""The map of documents is the same on every machine, and of documents from few parts."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.stages.report import document_map
from sequitur.stages.report.document_map import SCALE, positions, sample


@pytest.mark.parametrize("count", [30, 400])  # by principal components; by t-SNE
def test_positions_do_not_depend_on_threads(count: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((count, 640)).astype(np.float16)
    assert any(pool["user_api"] == "blas" for pool in threadpool_info())
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(positions(vectors, seed=3))
    (one, how), (other, _) = found
    assert how == ("t-SNE" if count > 40 else "principal components")
    assert one.tolist() == other.tolist()
    assert one.min() >= 0
    assert one.max() <= SCALE


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 6), st.integers(1, 40), st.data())
def test_a_sample_is_of_some_parts(rows: list[int], parts: int, documents: int, data: st.DataObject) -> None:
    of = np.repeat(np.arange(len(rows)), rows)
    placed = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=len(of), max_size=len(of))))
    manifest = SimpleNamespace(parts=[SimpleNamespace(rows=count) for count in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "require_manifest", lambda _: manifest)
        patch.setattr(document_map, "PARTS", parts)
        patch.setattr(document_map, "DOCUMENTS", documents)
        found = sample(Directory("tokens"), placed, seed=1)

    generator = np.random.Generator(np.random.PCG64(1))
    here = placed[np.isin(of[placed], generator.permutation(len(rows))[:parts])]
    assert found.tolist() == sorted(generator.permutation(here)[:documents].tolist())

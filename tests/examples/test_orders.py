"""The notebook runs from its first cell to its last."""

import pytest

pytestmark = pytest.mark.trainers


def test_the_notebook_goes_from_files_to_a_plot(with_trainers) -> None:
    found = with_trainers("run_notebook.py", ours=True)
    assert found["pictures"] == 1
    for order in ("contexts", "path", "iclm", "random"):
        assert f"{order} " in found["text"]
    assert "contexts of 1024 tokens; vocabulary 4096" in found["text"]

"""An order of the user's own, by its import path, is run, recorded and compared as ours are; a wrong one is a line."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur import beam_job
from sequitur.graph_sort.documents import ArrayDocuments, Documents
from sequitur.graph_sort.graph import from_neighbors
from sequitur.inspection.compare import compare
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import overridden
from sequitur.pipeline.errors import ConfigError, OwnModuleFailed
from sequitur.pipeline.stage import Run, expected
from sequitur.stages.shared.strategies import strategy

Write = Callable[[str, str], Path]
HEAD = "import numpy as np\nfrom sequitur.graph_sort.orders import Order, uncut\n\n"
SHORTEST_FIRST = f"""{HEAD}
def order(documents, seed):
    by_length = np.argsort(documents.lengths, kind="stable")
    return uncut(by_length, np.arange(by_length.size))
"""


def some_documents(n: int = 4) -> Documents:
    neighbor, cosine = np.full((n, 1), -1, np.int64), np.zeros((n, 1), np.float32)
    vectors = np.eye(n, dtype=np.float32)
    return ArrayDocuments(from_neighbors(neighbor, cosine), vectors, np.ones(n, np.int64), 8)


def test_an_own_order_arranges_a_run_to_its_report(write_own: Write, branch: Callable[..., Run]) -> None:
    file = write_own("shortest", SHORTEST_FIRST)

    run = branch("own", order={"strategy": "mine.shortest"})

    manifest = run.manifest("order")
    table = artifacts.read_columns(run.artifact("order"), ["ordinal"])
    input_ids = artifacts.read_columns(run.artifact("tokens"), ["input_ids"])["input_ids"].combine_chunks()
    lengths = input_ids.value_lengths().to_numpy()[table["ordinal"].to_numpy()]
    assert (np.diff(lengths) >= 0).all()
    assert manifest.parameters["strategy"] == "mine.shortest"
    assert manifest.parameters["strategy_digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert run.artifact("report").read_json("metrics.json")["order"]["strategy"] == "mine.shortest"


def test_its_source_is_part_of_the_fingerprint_of_the_order_alone(write_own: Write, finished: Run) -> None:
    config = overridden(finished.config, ["order.strategy=mine.shortest"])
    found = []
    for more in ("", "", "\n# another\n"):
        write_own("shortest", SHORTEST_FIRST + more)
        found.append(expected(beam_job.RECIPE, config))

    assert found[0] == found[1]
    assert {name for name in found[0] if found[0][name] != found[2][name]} == {"order", "shards", "report"}
    ours = overridden(finished.config, ["order.strategy=iclm"])
    assert "strategy_digest" not in beam_job.RECIPE[7].parameters(ours)


def test_families_are_each_in_the_own_order(write_own: Write, branch: Callable[..., Run]) -> None:
    write_own("shortest", SHORTEST_FIRST)

    run = branch("own", "order", order={"strategy": "mine.shortest"}, families={"by": "source"})

    assert len(run.manifest("order").statistics["families"]) == 2
    assert list(beam_job.RECIPE[7].verify(run)) == []


def test_own_orders_are_compared_with_ours(write_own: Write, finished: Run) -> None:
    write_own("shortest", SHORTEST_FIRST)
    write_own("placed", "def order(documents, seed):\n    return documents.structure\n")

    found = compare(finished, ["iclm", "mine.shortest", "mine.placed"], 2)["orders"]

    assert list(found) == ["iclm", "mine.shortest", "mine.placed", "iclm + stream"]
    assert found["mine.shortest"]["excess_gain"] is not None
    assert found["mine.placed"] == {"error": "no document has a field url, as order.structure says"}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return np.arange(4)", "returned ndarray, not an Order of sequitur.graph_sort.orders"),
        ("return uncut(np.arange(3), np.arange(3))", "left out 1 of 4 documents, the first of them 3"),
        ("return uncut(np.array([0, 1, 1, 2]), np.arange(4))", "left out 1 of 4 documents, the first of them 3"),
        ("return uncut(np.arange(1, 5), np.arange(4))", "returned a permutation of other documents than 0 … 3"),
        ("return uncut(np.arange(-1, 3), np.arange(4))", "returned a permutation of other documents than 0 … 3"),
        (
            "return uncut(np.arange(4.0), np.arange(4))",
            r"as permutation float64 \[4\], not int64 \[4\]",
        ),
        ("return uncut(np.arange(4), np.arange(5))", r"as path int64 \[5\], not int64 \[4\]"),
        ("return uncut(np.arange(4), [0, 0, 0, 0])", r"as path list, not int64 \[4\]"),
        ("return Order(np.arange(4), np.arange(4), np.zeros(4))", r"as opens float64 \[4\], not bool \[4\]"),
        ("return uncut(np.arange(4), np.array([0, 2, 3, 4]))", "does not number the fragments 0, 1, 2 … in reading"),
        ("return uncut(np.arange(4), np.array([1, 1, 2, 2]))", "does not number the fragments"),
        ("return documents.nothing", r"raised AttributeError: .*nothing.* \(line 5 of .*wrong.py\); mend .*wrong.py$"),
    ],
)
def test_what_is_no_order_of_the_documents_is_said_in_a_line(write_own: Write, body: str, complaint: str) -> None:
    write_own("wrong", f"{HEAD}def order(documents, seed):\n    {body}\n")

    with pytest.raises(OwnModuleFailed, match=complaint) as failed:
        strategy("mine.wrong").order(some_documents(), 1)

    assert str(failed.value).startswith("order.strategy mine.wrong: ")
    assert "\n" not in str(failed.value)


def test_repeats_are_allowed_and_nothing_is_ordered_as_nothing(write_own: Write) -> None:
    write_own("twice", f"{HEAD}def order(documents, seed):\n    n = documents.lengths.size\n"
              "    return uncut(np.tile(np.arange(n), 2), np.zeros(2 * n, np.int64))\n")  # fmt: skip
    order = strategy("mine.twice").order

    assert order(some_documents(3), 1).permutation.tolist() == [0, 1, 2, 0, 1, 2]
    assert order(some_documents(0), 1).permutation.size == 0


def test_an_own_order_that_is_not_there_stops_a_run_before_it_begins(execute: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"order\.strategy mine_too\.absent: no such module; install it"):
        execute(tmp_path / "run", order={"strategy": "mine_too.absent"})
    assert not (tmp_path / "run").exists()

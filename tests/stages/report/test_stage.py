"""The report accounts for every record, and measures that the order is better than a random one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur import beam_job
from sequitur.pipeline import run_directory
from sequitur.pipeline.errors import CorruptPart, LedgerImbalance
from sequitur.pipeline.stage import Run
from sequitur.stages.report import splits
from sequitur.stages.report import stage as report
from sequitur.stages.report.ledger import Ledger


def metrics(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = run.artifact("report").read_json("metrics.json")
    return content


def test_the_ledger_counts_what_was_planted(finished: Run, corpus: Any) -> None:
    ledger = metrics(finished)["ledger"]
    assert ledger["balances"]
    assert ledger["records"] == {
        "read": len(corpus.lines),
        "rejected": len(corpus.rejected),
        "dropped": {
            "exact_duplicate": len(corpus.exact),
            "fuzzy_duplicate": len(corpus.near),
            "gopher_too_few_words": len(corpus.short),
            "repeated_id": len(corpus.repeated),
            "semantic_duplicate": len(corpus.shuffled),
        },
        "placed": len(corpus.topic),
    }
    for name in ("read", "rejected", "placed"):
        assert sum(source[name] for source in ledger["sources"].values()) == ledger["records"][name]
    assert ledger["tokens"]["of_placed_documents"] == ledger["tokens"]["in_shards"]
    assert list(report.verify(finished)) == []


def test_a_shard_is_compared_with_its_checksum_before_it_is_counted(branch: Any) -> None:
    run = branch("run")
    shard = next(Path(run.artifact("shards").path("train")).glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1  # of a token, which the ledger does not look at
    shard.write_bytes(content)
    run.root.remove("report")
    with pytest.raises(CorruptPart, match=r"train/data-00000-.*: damaged \(its checksum differs"):
        run_directory.execute(beam_job.RECIPE, run)


def test_orders_are_as_good_as_they_should_be(branch: Any) -> None:
    reports = {name: metrics(branch(name, order={"strategy": name})) for name in ("path", "iclm", "random")}
    adjacency = {name: content["order"][name]["adjacency"] for name, content in reports.items()}
    assert adjacency["path"] >= adjacency["iclm"] > adjacency["random"] + 0.1
    for name, content in reports.items():
        own, chance = content["order"][name], content["order"]["random_baseline"]
        assert own["path_weight_share"] <= 1
        assert own["near_duplicate_rate"] == own["repeats"] == 0
        assert 0 < own["padding"] < 1
        assert own["best_previous"] >= own["adjacency"]
        assert abs(own["leakage_z"]) < 4
        assert own["excess_gain"] == own["in_context_gain"] - chance["in_context_gain"]
        assert own["excess_gain_error"] > own["in_context_gain_error"] > 0
        assert chance["adjacency"] == pytest.approx(adjacency["random"], abs=0.1)
        assert content["packing"]["tokens"] == content["ledger"]["tokens"]["in_shards"]
        assert own["saved_vs_published_error"] > 0
        published = content["order"]["published"]
        assert published["saved_vs_published"] == pytest.approx(1)
        assert published["padding"] <= own["padding"]
        assert own["compressed_share"] == pytest.approx(
            published["random_compressed_share"]
            - own["saved_vs_published"] * (published["random_compressed_share"] - published["compressed_share"])
        )
    path, chance = (reports["path"]["order"][name] for name in ("path", "random_baseline"))
    assert path["same_section_share"] > 2 * chance["same_section_share"]


def test_distributions_count_what_was_placed(finished: Run, corpus: Any) -> None:
    content = metrics(finished)
    counts = {name: sum(one["count"] for one in bins) for name, bins in content["distributions"].items()}
    contexts = sum(content["packing"]["contexts"].values())
    assert counts == {
        "tokens_per_document": len(corpus.topic),
        "documents_per_context": contexts,
        "tokens_per_context": contexts,
    }
    assert content["distributions"]["tokens_per_context"][-1]["from"] <= 1024


@pytest.mark.parametrize(
    ("sections", "directories"),
    [
        ({"families": {"by": "source"}}, 2),
        ({"pack": {"policy": "buckets", "context_length": 256, "validation_share": 0.1}}, 4),
        ({"order": {"strategy": "knn"}}, 1),
        ({"select": {"subset": {"by": "coverage", "share": 0.7}}}, 1),
    ],
    ids=["families", "buckets", "knn", "subset"],
)
def test_the_ledger_balances_whatever_is_packed(branch: Any, sections: dict[str, Any], directories: int) -> None:
    run = branch("run", **sections)
    content = metrics(run)
    ledger, order = content["ledger"], content["order"][content["order"]["strategy"]]
    assert ledger["balances"]
    assert ledger["tokens"]["in_shards"] == content["packing"]["tokens"]
    assert (ledger["tokens"]["repeated"] > 0) == (order["repeats"] > 0) == ("order" in sections)
    assert ("subset" in ledger["records"]["dropped"]) == ("select" in sections)
    train = splits.read_splits(run.artifact("shards"))["train"].cut
    assert len(train.reading_orders) == directories
    assert sorted(np.concatenate(train.reading_orders)) == list(range(len(train.contexts.offsets) - 1))
    assert order["padding"] == pytest.approx(1 - train.contexts.length.sum() / np.sum(train.row_lengths))
    assert list(report.verify(run)) == []


def test_a_ledger_that_does_not_balance_fails_the_run(branch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = report.make_ledger

    def lossy(*arguments: Any) -> Ledger:
        ledger = honest(*arguments)
        ledger.placed["web"] -= 1
        return ledger

    monkeypatch.setattr(report, "make_ledger", lossy)
    with pytest.raises(LedgerImbalance, match=r"source web: .* records read"):
        branch("lossy", order={"strategy": "random"})


def test_verification_tells_another_ledger(branch: Any) -> None:
    run = branch("run")
    content = metrics(run)
    content["ledger"]["records"]["placed"] += 1
    run.artifact("report").write_json("metrics.json", content)
    assert [problem.split(": ")[1][:20] for problem in report.verify(run)] == ["tells another ledger"]

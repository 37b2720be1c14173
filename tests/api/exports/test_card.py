"""The card says what there is, and whatever a source is called, it is no markup."""

from typing import Any

import pyarrow as pa
import pytest
import yaml

from sequitur.api.exports.card import card
from sequitur.api.exports.tally import Tally
from sequitur.pipeline.config import validate

CONFIG = validate({"name": "mine", "output": "/secret/place", "ingest": {"inputs": ["corpus/*.jsonl"]}}, "test")
HOSTILE = "a|b\n# <script>alert(1)</script> ![x](http://x) `"


def rows(count: int, **columns: Any) -> pa.RecordBatch:
    return pa.record_batch({"reason": pa.nulls(count, pa.string()), **columns})


def counted(licenses: list[str | None]) -> Tally:
    tally = Tally(dropped=True)
    count = len(licenses)
    about = {
        "source": [HOSTILE] * count,
        "language": ["de", *["en"] * (count - 1)],
        "tokens": [7] * count,
        "text": ["é"] * count,
    }
    assert tally.add("train", rows(count, license=pa.array(licenses, pa.string()), **about))
    assert tally.add("dropped", rows(1, source=["gone"], tokens=pa.array([None], pa.int64()), text=["x"]))
    return tally


def head(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_statistics_and_splits() -> None:
    text = card(CONFIG, {"documents": "0f"}, counted(["MIT", "CC BY 4.0", "MIT"]), ["id", "text", "word_count"])
    assert head(text) == {
        "pretty_name": "mine",
        "language": ["en", "de"],
        "license": ["mit", "cc-by-4.0"],
        "task_categories": ["text-generation"],
        "size_categories": ["n<1K"],
        "tags": ["sequitur"],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            },
            {"config_name": "dropped", "data_files": [{"split": "dropped", "path": "data/dropped-*.parquet"}]},
        ],
    }
    assert "3 documents, curated" in text
    assert "| train | 3 | 21 | 6 |" in text
    assert "| MIT | 2 | 66.7% |" in text
    assert "its signals: word\\_count." in text
    assert "| documents | 0f |" in text
    assert "corpus/*.jsonl" in text
    assert "/secret/place" not in text


def test_names_are_no_markup() -> None:
    text = card(CONFIG, {}, counted([None]), ["text"])
    assert "| a\\|b \\# \\<script\\>alert\\(1\\)\\</script\\> \\!\\[x\\]\\(http\\://x\\) \\` | 1 | 100.0% |" in text


@pytest.mark.parametrize(
    ("licenses", "said"),
    [([None, None], "unknown"), (["MIT", None], "other"), (["my own"], "other"), (["cc0-1.0"], ["cc0-1.0"])],
)
def test_a_licence_is_named_where_all_have_one_that_is_known(licenses: list[str | None], said: object) -> None:
    assert head(card(CONFIG, {}, counted(licenses), ["text"]))["license"] == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (123_456, "100K<n<1M"), (10**12, "n>1T"), (10**14, "n>1T")],
)
def test_size_as_the_hub_names_it(count: int, said: str) -> None:
    tally = counted(["MIT"])
    tally.documents["train"] = count
    assert head(card(CONFIG, {}, tally, ["text"]))["size_categories"] == [said]

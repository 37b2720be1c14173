"""Rows come back from the files as they went in, in files of bounded size."""

import io
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sequitur.api.exports import files
from sequitur.api.exports.files import WRITERS, Files


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with zstandard.open(path, "rb") as file:
        return [json.loads(line) for line in io.BytesIO(file.read())]


def size(rows: list[dict[str, Any]], form: str) -> int:
    if form == "parquet":
        return int(pa.Table.from_pylist(rows).nbytes)
    return sum(len(json.dumps(row, ensure_ascii=False).encode()) + 1 for row in rows)


def batches(sizes: list[int]) -> list[pa.RecordBatch]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [
        pa.record_batch({"number": list(range(begin, end)), "text": [f"é\n{number}" for number in range(begin, end)]})
        for begin, end in pairwise(ends)
    ]


@pytest.mark.parametrize("form", sorted(WRITERS))
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), group=st.integers(1, 20), most=st.integers(1, 4000))
def test_rows_come_back_in_order_from_files_of_bounded_size(
    tmp_path_factory: pytest.TempPathFactory, form: str, sizes: list[int], group: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "GROUP_ROWS", group)
        patch.setattr(files, "FILE_BYTES", most)
        with Files(folder, form) as written:
            for name in ("train", "val"):
                for batch in batches(sizes):
                    written.add(name, batch)
    for name in ("train", "val"):
        found = [read(path) for path in sorted(folder.glob(f"{name}-*"))]
        assert [row for rows in found for row in rows] == pa.Table.from_batches(batches(sizes)).to_pylist()
        assert all(size(rows, form) < most + 120 * group for rows in found)  # full, and what was added last
    assert len(list(folder.iterdir())) == 2 * len(found)


def test_what_json_has_no_number_for_is_null_and_the_rest_is_short(tmp_path: Path) -> None:
    batch = pa.record_batch(
        {
            "single": pa.array([0.1, float("nan"), None], pa.float32()),
            "double": pa.array([0.1, float("inf"), 1e300], pa.float64()),
            "cosines": pa.array([[0.3, 0.1], [], None], pa.list_(pa.float32())),
            "vector": pa.array([[0.5, 0.25]] * 3, pa.list_(pa.float16(), 2)),
            "when": pa.array([datetime(2024, 2, 3, 4, 5, 6, 7, UTC), None, None], pa.timestamp("us", "UTC")),
        }
    )
    with Files(tmp_path, "jsonl") as written:
        written.add("kept", batch)
    assert read(tmp_path / "kept-00000.jsonl.zst") == [
        *(
            {"single": 0.1, "double": 0.1, "cosines": [0.3, 0.1], "vector": [0.5, 0.25], "when": when}
            for when in ["2024-02-03T04:05:06.000007Z"]
        ),
        {"single": None, "double": None, "cosines": [], "vector": [0.5, 0.25], "when": None},
        {"single": None, "double": 1e300, "cosines": None, "vector": [0.5, 0.25], "when": None},
    ]


def test_nothing_added_is_no_file(tmp_path: Path) -> None:
    with Files(tmp_path, "parquet"):
        pass
    assert list(tmp_path.iterdir()) == []

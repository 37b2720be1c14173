"""Progress of reading goes by bytes of files, and ends with all of them."""

from sequitur.pipeline.artifacts import Part
from sequitur.stages.ingest.reading_progress import read_of
from sequitur.stages.ingest.splits import InputFile, Split

LONG, SMALL, SMALLER = (InputFile(name, "jsonl", name) for name in ("long", "small", "smaller"))
SPLITS = [Split(0, (LONG,), 0, 50), Split(1, (LONG,), 50, 100), Split(2, (SMALL, SMALLER))]
SIZES = {LONG: 100, SMALL: 7, SMALLER: 3}


def part(split: int, piece: int, text: int, last: bool) -> tuple[Part, dict[str, str]]:
    return Part(SPLITS[split].part_name(piece), 1, 1, ""), {"text_bytes": str(text), "last": str(int(last))}


def test_bytes_and_files_as_parts_appear() -> None:
    count, parts = read_of(SPLITS, SIZES), {}
    assert count(parts) == (0, "0 of 3 files")
    for split, piece, text, last, told in (
        (0, 0, 20, False, (20, "0 of 3 files")),
        (0, 1, 10, False, (30, "0 of 3 files")),
        (0, 2, 90, False, (50, "0 of 3 files")),  # what is packed may hold more than its bytes
        (2, 0, 1, True, (60, "2 of 3 files")),
        (0, 3, 0, True, (60, "2 of 3 files")),
        (1, 0, 1, True, (110, "3 of 3 files")),
    ):
        found, about = part(split, piece, text, last)
        parts[found] = about
        assert count(parts) == told

"""How much of the input files has been read, as the parts tell that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.jobs import Count
from sequitur.stages.ingest.splits import InputFile, Split


def read_of(splits: Sequence[Split], sizes: Mapping[InputFile, int]) -> Count:
    """Counts the bytes of input files that have been read, and says of how many files that is all.

    Of a split that is not at its end yet, the text that was read of it counts, up to the split's own bytes. Those of a
    file that is read in several stretches are taken to be as large each.

    Args:
        splits: all there are, by their indices.
        sizes: of each file, in bytes.
    """
    stretches = Counter(file for split in splits for file in split.files)
    bytes_of = [sum(sizes[file] / stretches[file] for file in split.files) for split in splits]

    def count(parts: Mapping[Part, Mapping[str, Any]]) -> tuple[int, str]:
        read: Counter[int] = Counter()
        left = Counter(stretches)
        for part, about in parts.items():
            index = int(part.name.split("-")[1])
            read[index] += int(about["text_bytes"])
            if about["last"] == "1":
                left.subtract(splits[index].files)
                read[index] = 2**62
        done = sum(min(bytes_of[index], found) for index, found in read.items())
        return round(done), f"{sum(number <= 0 for number in left.values()):,} of {len(left):,} files"

    return count

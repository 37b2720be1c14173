import random

import pyarrow as pa
import zstandard

from sequitur.text_core.signals.compression import LEVEL, compression_signals
from sequitur.text_core.units.strings import from_arrow


def test_ratios_are_those_of_single_frames():
    noise = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz ", k=5000))
    texts = ["", "a", "word " * 1000, noise, "日本語の文章。" * 3]
    array = pa.array(["before", *texts], pa.large_string())
    ratios = compression_signals(from_arrow(array.slice(1)))["compression_ratio"].tolist()
    expected = [len(zstandard.compress(t.encode(), LEVEL)) / len(t.encode()) if t else 0 for t in texts]
    assert [round(ratio, 5) for ratio in ratios] == [round(ratio, 5) for ratio in expected]
    assert ratios[2] < 0.01 < 0.5 < ratios[3] < 1 < ratios[1]

"""A tokenizer that would end the process that loads it ends another one."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from sequitur.pipeline.errors import ModelError
from sequitur.stages.tokenize import stage as tokenize

LONGER = {"type": "Replace", "pattern": {"String": "x"}, "content": 1000 * "x"}


@pytest.mark.parametrize(
    "normalizer",
    [
        {"type": "Precompiled", "precompiled_charsmap": "/////w=="},  # says that it has 4 GiB
        {"type": "Sequence", "normalizers": 4 * [LONGER]},
    ],
)
def test_a_tokenizer_that_fills_memory_is_refused(tmp_path: Path, normalizer: dict[str, Any]) -> None:
    path = tmp_path / "tokenizer.json"
    valid = Tokenizer(models.WordLevel({"a": 0, "</s>": 1}, unk_token="a"))  # noqa: S106
    path.write_text(json.dumps({**json.loads(valid.to_str()), "normalizer": normalizer}))
    what = r"tokenizer\.json: cannot be loaded \(ends its process by SIGABRT\); give the path of a tokenizer"
    with pytest.raises(ModelError, match=what):
        tokenize.load(str(path))
    path.write_text(valid.to_str())
    assert tokenize.load(str(path)).get_vocab_size() == 2

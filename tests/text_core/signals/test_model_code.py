"""What the files of a model name from outside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sequitur.text_core.signals.model_code import named_outside

OURS = "sentence_transformers.models."


def written(root: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def test_a_usual_model_names_nothing(tmp_path: Path) -> None:
    files = {
        "modules.json": [{"type": f"{OURS}Transformer", "path": ""}, {"type": f"{OURS}Router", "path": "1_Router"}],
        "config.json": {"model_type": "bert", "architectures": ["BertModel"]},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizerFast"},
        "1_Router/router_config.json": {"types": {"query_0": f"{OURS}Dense"}, "structure": {"query": ["query_0"]}},
    }
    assert list(named_outside(written(tmp_path, files))) == []


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("modules.json", [{"type": "mine.Mine", "path": ""}], "mine.Mine"),
        ("modules.json", [{"type": 3}], "3"),
        ("modules.json", [{"type": f"{OURS}Dense", "path": "../other"}], "../other"),
        ("modules.json", [{"type": f"{OURS}Dense", "path": "/other"}], "/other"),
        ("2_Router/router_config.json", {"types": {"a": "os.system"}}, "os.system"),
        ("2_Router/config.json", {"types": {"../../a": f"{OURS}Dense"}}, "../../a"),
        ("0_Words/wordembedding_config.json", {"tokenizer_class": "mine.Words"}, "mine.Words"),
    ],
)
def test_code_and_folders_from_outside_are_named(tmp_path: Path, name: str, content: Any, found: str) -> None:
    assert list(named_outside(written(tmp_path, {name: content}))) == [(name, found)]


@pytest.mark.parametrize("content", ["", "[", "null", "[1]", "[" * 100_000, '{"types": 3}', '{"tokenizer_class": 3}'])
def test_what_is_no_list_of_modules_names_nothing(tmp_path: Path, content: str) -> None:
    assert list(named_outside(written(tmp_path, {"modules.json": content, "a/config.json": content}))) == []

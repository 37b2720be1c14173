"""Hostile cases of tokenizers and models: damaged, or with code of their own."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.hostile_bytes import TERMINAL, damaged, damaged_json, json_text
from benchmarks.hostile_readers import Place
from sequitur.pipeline.sections import Embed
from sequitur.stages.shared.models.choices import decided
from sequitur.stages.shared.models.encoders import load, prepare
from sequitur.stages.tokenize import stage as tokenize
from sequitur.stages.tokenize.encoding import encode
from sequitur.stages.tokenize.fast_tokenizer import FastTokenizer, difference

TEXTS = ["", "a", "the old river " * 200, "x" * 3000, "\0\ufffd\U0001f600" * 50, TERMINAL, "<|endoftext|> [SEP] </s>"]


def tokenizer(rng: random.Random, place: Place) -> list[str]:
    """A tokenizer.json, loaded and used as `tokenize` does."""
    original = rng.choice((place.base.run / "tokens/tokenizer.json", place.base.transformer / "tokenizer.json"))
    path = place.given / "tokenizer.json"
    path.write_bytes(hostile_tokenizer(rng, original.read_bytes()))
    loaded = tokenize.load(str(rng.choice((path, path.parent))))
    end = tokenize.end_id(loaded, rng.choice((None, None, "[SEP]", TERMINAL)))
    loaded.no_truncation()
    loaded.no_padding()
    loaded.encode_special_tokens = True
    tokenize.vocabulary_size(loaded)
    offsets, ids = encode(loaded, end, pa.array(TEXTS, pa.large_string()))
    problems = [] if offsets[-1] == len(ids) and len(offsets) == len(TEXTS) + 1 else ["offsets do not fit the ids"]
    texts, content = pa.array(TEXTS, pa.large_string()), loaded.to_str().encode()
    if difference(content, texts) is None:
        by_gigatoken = encode(loaded, end, texts, FastTokenizer(content))
        if not np.array_equal(by_gigatoken[1], ids):
            problems.append("gigatoken makes other ids")
    return problems


def hostile_tokenizer(rng: random.Random, content: bytes) -> bytes:
    if rng.random() < 0.5:
        return damaged_json(rng, content)
    made = json.loads(content)
    pattern = rng.choice(
        ("(x+x+)+y", "(a|aa)+$", "(?:x*)*\\s", "(", "x{1,100000}", "(?=x)", ".*" * 500 + "q", "\\p{Nope}")
    )
    attack = rng.choice(
        (
            {
                "pre_tokenizer": {
                    "type": "Split",
                    "pattern": {"Regex": pattern},
                    "behavior": "Isolated",
                    "invert": False,
                }
            },
            {"normalizer": {"type": "Replace", "pattern": {"Regex": pattern}, "content": "x" * 1000}},
            {"normalizer": {"type": "Replace", "pattern": {"Regex": ""}, "content": "xx"}},
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": rng.choice(("AAAA", "", "/////w==", "x"))}},
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "x" * 10**6}] * 20}},
            {"pre_tokenizer": {"type": "Metaspace", "replacement": "ab", "prepend_scheme": "x"}},
            {"model": {"type": "BPE", "vocab": {}, "merges": []}},
            {"model": {"type": "BPE", "vocab": {"a": 2**32 - 1, "b": 0}, "merges": [["a", "b"]]}},
            {"model": {"type": "Unigram", "vocab": [["x", float("-1e308")]], "unk_id": 7}},
            {"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "u", "max_input_chars_per_word": 2**63}},
            {"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}},
            {"truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 99, "direction": "Right"}},
            {
                "padding": {
                    "strategy": {"Fixed": 2**40},
                    "direction": "Left",
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "x",
                    "pad_to_multiple_of": None,
                }
            },
            {
                "added_tokens": [
                    {
                        "id": 2**32 - 1,
                        "content": TERMINAL,
                        "special": True,
                        "single_word": False,
                        "lstrip": True,
                        "rstrip": True,
                        "normalized": True,
                    }
                ]
            },
            {"post_processor": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}},
        )
    )
    return json_text({**made, **attack})


MODULE = 'open({mark!r}, "w").close()\nimport torch\nclass Evil(torch.nn.Module):\n    pass\nEvilModel = Evil\n'


def model(rng: random.Random, place: Place) -> list[str]:
    """A directory of a sentence-transformers model, loaded and used as `embed` does."""
    source = rng.choice((place.base.static_model, place.base.transformer))
    folder = place.given / "model"
    shutil.copytree(source, folder)
    hostile_model(rng, folder, place.outside)
    settings = Embed(model=str(folder), device="cpu", backend="torch")
    scratch = place.given.with_name("prepared")
    scratch.mkdir()
    prepare(settings, scratch, decided(settings))
    vectors = load(settings, str(folder), scratch).encode(TEXTS)
    return [] if len(vectors) == len(TEXTS) else ["not one vector of each text"]


def hostile_model(rng: random.Random, folder: Path, outside: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    if rng.random() < 0.5:
        path = rng.choice(files)
        content = path.read_bytes()
        path.write_bytes(damaged_json(rng, content) if path.suffix == ".json" else damaged(rng, content))
        return
    name = f"evil_{rng.getrandbits(40)}"
    source = MODULE.format(mark=str(outside / "executed"))
    (folder / f"{name}.py").write_text(source)
    (folder / "evil").mkdir()
    (folder / "evil/config.json").write_text("{}")
    modules = json.loads((folder / "modules.json").read_text())
    types = (
        f"{name}.Evil",
        "os.system",
        "antigravity.fly",
        "sentence_transformers.util.misc.sys",
        "..evil.Evil",
        "x",
        3,
    )
    kind = rng.choice(("type", "path", "router", "pickle", "map", "words", "dense"))
    if kind == "type":
        rng.choice(modules)["type"] = rng.choice(types)
    elif kind == "path":
        rng.choice(modules)["path"] = rng.choice(("../../outside", str(outside), "../..", "evil", None, "\0"))
    elif kind == "pickle":
        for path in folder.rglob("*.safetensors"):
            path.unlink()
            path.with_name("pytorch_model.bin").write_bytes(_pickle(outside / "executed", zipped=rng.random() < 0.5))
    elif kind == "map":
        for path in folder.rglob("*config*.json"):
            content = json.loads(path.read_text())
            content |= {"auto_map": dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer"), f"{name}.EvilModel")}
            content |= rng.choice(({}, {"model_type": "evil"}, {"tokenizer_class": f"{name}.Evil"}))
            path.write_text(json.dumps(content))
    else:
        known = "sentence_transformers.models."
        class_, content = {
            "router": ("Router", {"structure": {"query": ["a"]}, "types": {"a": f"{name}.Evil"}}),
            "words": ("WordEmbeddings", {"tokenizer_class": f"{name}.Evil"}),
            "dense": ("Dense", {"in_features": 16, "out_features": 16, "activation_function": rng.choice(types[:3])}),
        }[kind]
        modules.append({"idx": len(modules), "name": "9", "path": "evil", "type": known + class_})
        for file in ("config.json", "router_config.json", "wordembedding_config.json"):
            (folder / "evil" / file).write_text(json.dumps(content))
        (folder / "evil/pytorch_model.bin").write_bytes(_pickle(outside / "executed", zipped=False))
    (folder / "modules.json").write_text(json.dumps(modules))


def _pickle(mark: Path, *, zipped: bool) -> bytes:
    """A pickle that makes a file as it is loaded; by itself, or in the container of torch."""
    content = f"cbuiltins\nopen\n(S'{mark}'\nS'w'\ntR.".encode()
    if not zipped:
        return content
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as made:
        made.writestr("archive/data.pkl", content)
        made.writestr("archive/version", "3\n")
    return sink.getvalue()

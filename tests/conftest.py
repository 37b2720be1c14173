"""A synthetic corpus with planted copies and faults, a tiny embedding model, and one finished run over them."""

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
import yaml
from job_runs import PACK

from sequitur import beam_job
from sequitur.command_line import main as cli
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.stage import Run

# The first example may wait for a kernel to be compiled.
hypothesis.settings.register_profile("sequitur", deadline=None)
hypothesis.settings.load_profile("sequitur")

TOPICS, TOPIC_WORDS, WORDS_OF_A_DOCUMENT, K = 6, 60, 16, 8
FINISHED_PACK = {"context_length": 1024, "validation_share": 0.1}
FUNCTION_WORDS = ("the", "of", "and", "that", "have", "with", "to", "be")
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu")
FAULTS = {
    "bad_json": b'{"id": "broken", "text": "unfinished',
    "no_text": b'{"id": "empty", "source": "web"}',
    "bad_utf8": b'{"text": "\xff"}',
}


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Corpus(NamedTuple):
    """The lines of a JSONL file, and what is planted in them. Documents are named by their record ids."""

    lines: list[bytes]
    texts: dict[str, str]  # every readable document; of a repeated id the first
    topic: dict[str, int]  # of every original
    exact: dict[str, str]  # copy in other case and white space → its original
    near: dict[str, str]  # copy with one other word → its original
    shuffled: dict[str, str]  # the same sentences in another order → its original
    short: set[str]
    repeated: list[str]  # ids that a second record has, too
    rejected: dict[int, str]  # line → why it cannot be read
    words: list[str]  # of all topics


def make_corpus(originals: int = 240, seed: int = 7) -> Corpus:
    rng = random.Random(seed)
    words = sorted({"".join(rng.choices(SYLLABLES, k=4)) for _ in range(2 * TOPICS * TOPIC_WORDS)})
    words = rng.sample(words, TOPICS * TOPIC_WORDS)
    topic = {f"doc-{number:03}": number % TOPICS for number in range(originals)}
    texts = {}
    for name, of in topic.items():
        own = rng.sample(words[of * TOPIC_WORDS : (of + 1) * TOPIC_WORDS], WORDS_OF_A_DOCUMENT)
        texts[name] = ". ".join(sentences(rng, own)) + "."
    chosen = rng.sample(sorted(topic), 31)
    exact = {f"exact-{number}": name for number, name in enumerate(chosen[:12])}
    near = {f"near-{number}": name for number, name in enumerate(chosen[12:24])}
    # One group larger than k, and six pairs.
    shuffled = {f"shuffled-{number:02}": chosen[max(24, 13 + number)] for number in range(K + 10)}
    for copy, name in exact.items():
        head, tail = texts[name][:300], texts[name][300:]
        texts[copy] = head.upper().replace(" ", "\n", 3) + tail + " "
    for copy, name in near.items():
        parts = texts[name].split(" ")
        texts[copy] = " ".join([*parts[:70], "otherwise", *parts[71:]])
    for copy, name in shuffled.items():
        parts = texts[name].removesuffix(".").split(". ")
        texts[copy] = ". ".join(rng.sample(parts, len(parts))) + "."
    short = {f"short-{number}" for number in range(6)}
    texts |= {name: f"Too short {name} to be of use." for name in sorted(short)}
    records = [
        {"id": name, "text": texts[name], "source": rng.choice(["web", "books"]), "section": str(topic.get(name))}
        for name in rng.sample(sorted(texts), len(texts))
    ]
    repeated = rng.sample(sorted(topic), 3)
    records += [{"id": name, "text": "Another text under a used id. " * 20, "source": "web"} for name in repeated]
    lines = [json.dumps(record).encode() for record in records]
    rejected = {30: "bad_json", 90: "no_text", 150: "bad_json", 210: "no_text", 211: "bad_utf8"}
    for line, reason in rejected.items():
        lines.insert(line, FAULTS[reason])
    return Corpus(lines, texts, topic, exact, near, shuffled, short, repeated, rejected, words)


def sentences(rng: random.Random, words: list[str]) -> list[str]:
    return [
        " ".join(part for word in rng.choices(words, k=6) for part in (word, rng.choice(FUNCTION_WORDS))).capitalize()
        for _ in range(14)
    ]


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    return make_corpus()


@pytest.fixture(scope="session")
def corpus_file(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_bytes(b"\n".join(corpus.lines) + b"\n")
    return path


@pytest.fixture(scope="session")
def tiny_model(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model that knows the topics' words: the mean of random vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: row for row, word in enumerate(["?", *corpus.words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    rows = np.random.default_rng(3).standard_normal((1 + len(corpus.words), 48)).astype(np.float32)
    rows[0] = 0
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows)], device="cpu")
    path = tmp_path_factory.mktemp("model") / "tiny"
    model.save(str(path), create_model_card=False)
    return path


Settings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def settings(corpus_file: Path, tiny_model: Path) -> Settings:
    """A configuration with many small parts; sections given are laid over it."""

    def make(output: Path, **sections: Any) -> dict[str, Any]:
        content: dict[str, Any] = {
            "output": str(output),
            "ingest": {"inputs": [str(corpus_file)], "part_bytes": 2**15, "split_bytes": 100_000},
            "tokenize": {"vocabulary": 600},
            "embed": {"model": str(tiny_model), "device": "cpu", "lexical_weight": 0},
            "neighbors": {"k": K},
            "pack": {"context_length": 1024},
        }
        for name, section in sections.items():
            content[name] = {**content.get(name, {}), **section} if isinstance(section, dict) else section
        return content

    return make


@pytest.fixture(scope="session")
def execute(settings: Settings) -> Callable[..., Run]:
    """Runs the job, or its stages up to one, over the corpus or other inputs."""

    def run(output: Path, last: str | None = None, **sections: Any) -> Run:
        config: Config = validate(settings(output, **sections), "settings")
        job = Run(config)
        run_directory.execute(beam_job.RECIPE, job, None, last)
        return job

    return run


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[dict[str, Any]]]:
    """All rows of an artifact of a run, part after part."""

    def read(run: Run, artifact: str = "documents") -> list[dict[str, Any]]:
        directory, manifest = run.artifact(artifact), run.manifest(artifact)
        return [row for part in manifest.parts for row in artifacts.read_part(directory, part).to_pylist()]

    return read


@pytest.fixture(scope="session")
def finished(execute: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole job over the synthetic corpus. Not to be changed."""
    return execute(tmp_path_factory.mktemp("finished") / "run", pack=FINISHED_PACK)


@pytest.fixture
def branch(finished: Run, execute: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Goes on from a copy of the finished run with other settings."""

    def run(name: str, last: str | None = None, **sections: Any) -> Run:
        output = shutil.copytree(finished.config.output, tmp_path / name)
        return execute(output, last, **{"pack": FINISHED_PACK, **sections})

    return run


@pytest.fixture
def sequitur(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs the command in this process."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sequitur", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    monkeypatch.setattr(os, "_exit", leave)
    return run


@pytest.fixture
def write_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes a module of the user's own, `mine/NAME.py`, which this process and those that it starts can import."""
    folder = tmp_path / "modules"
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))

    def write(name: str, source: str) -> Path:
        file = folder / "mine" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        return file

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def configure(settings: Any) -> Callable[..., Path]:
    """Writes the configuration of a whole job beside its run directory."""

    def write(output: Path, **sections: Any) -> Path:
        path = output.parent / f"{output.name}.yaml"
        embed = {"lexical_weight": 0.3, "lexical_dimensions": 64, **sections.get("embed", {})}
        path.write_text(yaml.safe_dump(settings(output, **{"pack": PACK, **sections, "embed": embed})))
        return path

    return write

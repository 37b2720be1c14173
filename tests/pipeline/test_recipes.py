"""Each recipe runs as it is written, on a small corpus of its kind, and keeps what others would drop."""

import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_texts import sentence, source_file, text
from web_pages import Warc

from sequitur.pipeline import config, recipes
from sequitur.pipeline.artifacts import read_columns
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.storage import Directory
from sequitur.shards import ContextDataset

Recipe = Callable[..., Path]
SMALL = ("tokenize.vocabulary=400", "embed.sample_documents=200")


@pytest.fixture
def made(sequitur: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Writes a recipe and runs it, up to a stage or whole, in a directory with its corpus; gives the run."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, last: str | None = None, *overrides: str) -> Path:
        if not Path("my.yaml").exists():
            assert sequitur("init", "my.yaml", "--recipe", name).code == 0
        until = ("--until", last) if last else ()
        changes = [word for one in (*SMALL, *overrides) for word in ("--set", one)]
        ended = sequitur("run", "my.yaml", "--workers", "1", *until, *changes)
        assert ended.code == 0, ended.err
        said = [one.partition("=")[2] for one in overrides if one.startswith("output=")]
        return tmp_path / (said[0] if said else yaml.safe_load(Path("my.yaml").read_text())["output"])

    return run


def write(path: str, content: str) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")


def json_lines(path: str, records: list[dict[str, Any]]) -> None:
    write(path, "".join(json.dumps(record) + "\n" for record in records))


def dropped(run: Path) -> Counter[str]:
    """How many documents were dropped for which reason; those that stay by None."""
    return Counter(read_columns(Directory(str(run)) / "selection", ["reason"])["reason"].to_pylist())


def test_web_crawl(made: Recipe) -> None:
    def page(content: str) -> bytes:
        paragraphs = "".join(f"<p>{line}</p>" for line in content.splitlines())
        return f"<html><head><title>A page</title></head><body><article>{paragraphs}</article></body></html>".encode()

    good = [text(number) for number in range(12)]
    good[0] += "\nWrite to the captain at captain@ship.org if this was of any use to you and them."
    pages = [page(one) for one in good]
    pages.append(page(good[3].replace(good[3].split()[20], "otherwise", 1)))  # a copy with another word
    pages.append(page(text(1, "de")))
    pages.append(page("\n".join([good[5][:300]] * 12)))
    pages.append(page(text(77) + "\nLorem ipsum dolor sit amet, of that and the other with them."))
    warc = Warc(packed=True)
    for number, content in enumerate(pages):
        warc.response(content, uri=f"http://example.org/{number}")
    warc.response(b"\x89PNG", Content_Type="image/png")
    Path("crawl").mkdir()
    warc.write(Path("crawl/a.warc.gz"))

    run = made("web-crawl", "select")
    reasons = dropped(run)
    assert reasons.pop(None) == len(good)
    assert reasons.pop("language") == 1
    assert reasons.pop("c4_lorem_ipsum") == 1
    assert reasons.pop("fuzzy_duplicate") == 1
    (repetition,) = reasons
    assert repetition.startswith("gopher_duplicate")
    texts = read_columns(Directory(str(run)) / "refined", ["text"])["text"].to_pylist()
    assert "email@example.com" in texts[0]
    assert "captain@ship.org" not in texts[0]


def test_books(made: Recipe) -> None:
    licence = (
        "This volume was made by volunteers, who ask that it be given to all who want it, and that it is kept whole."
    )
    for number in range(24):
        write(f"books/{number:02}.txt", f"{licence}\n\n{text(number, sentences=60)}")
    write("books/long.txt", text(99, sentences=9_000))
    quoted = text(5, sentences=20)
    write("books/a.txt", f"{text(200, sentences=60)}\n\n{quoted}")
    write("books/b.txt", f"{text(201, sentences=60)}\n\n{quoted}")

    run = made("books", "tokenize")
    assert dropped(run) == {None: 27}  # the longest has more words than Gopher lets a document have
    texts = read_columns(Directory(str(run)) / "refined", ["text"])["text"].to_pylist()
    assert len(texts) == 27
    assert not any("volunteers" in one for one in texts)
    spans = read_columns(Directory(str(run)) / "tokens" / "spans", ["length"])["length"].to_pylist()
    assert sum(spans) > 100  # what the second quotes, at least


def test_code(made: Recipe) -> None:
    directories = [f"{repository}/{folder}" for repository in ("one", "two") for folder in ("core", "tests", "tools")]
    for number in range(36):
        write(f"repositories/{directories[number % 6]}/m{number}.py", source_file(number))
    write("repositories/two/core/copied.py", source_file(0).replace("ValueError", "TypeError", 1))
    write("repositories/one/core/__init__.py", "# nothing\n")
    write("repositories/one/core/table.py", f"T = [{', '.join(map(str, range(9_000)))}]\n")
    write("repositories/one/tools/bundle.js", "function f(a, b) { return a + b; } var x = f(1, 2); " * 40)
    for passed in ("one/tools/x.min.js", "one/node_modules/a/b.js", "two/vendor/c.py", "two/data.json"):
        write(f"repositories/{passed}", source_file(999))

    run = made("code", None, "pack.context_length=1024")
    reasons = dropped(run)
    assert reasons.pop(None) == 36
    assert reasons.pop("fuzzy_duplicate") == 1
    assert reasons.pop("too_few_words") == 1
    assert sum(reasons.values()) == 2
    assert set(reasons) <= {"lines_too_long", "mostly_numbers", "mostly_repeated"}
    of_document = read_columns(Directory(str(run)) / "documents", ["url"])["url"].to_pylist()
    kept = read_columns(Directory(str(run)) / "selection", ["kept"])["kept"].to_pylist()
    place = [url.rsplit("/", 1)[0] for url, stays in zip(of_document, kept, strict=True) if stays]
    order = read_columns(Directory(str(run)) / "order", ["ordinal"])["ordinal"].to_pylist()
    placed = [place[ordinal] for ordinal in order]
    runs = [one for i, one in enumerate(placed) if i == 0 or one != placed[i - 1]]
    assert len(runs) == len(set(runs)) == 6  # each directory in one piece
    assert len(re.findall(r"/one/", "".join(f"{one}/" for one in runs[:3]))) in (0, 3)  # and each repository


def test_multilingual(made: Recipe) -> None:
    languages = ("en", "de", "fr", "ru", "zh")
    for language in languages:
        json_lines(f"texts/{language}.jsonl", [{"text": text(number, language, 20)} for number in range(20)])

    run = made("multilingual", None, "pack.context_length=512", "embed.lexical_dimensions=64")
    assert dropped(run) == {None: 100}
    families = json.loads((run / "shards" / "families.json").read_text())
    documents = {one["family"]: one["documents"] for one in families["datasets"]}
    assert documents.keys() == set(languages)
    assert min(documents.values()) > 15  # of few words some are versions of others


def test_short_records(made: Recipe) -> None:
    rng = random.Random(3)
    for file in ("a", "b"):
        records = [{"id": n, "text": sentence(rng).removesuffix(".")} for n in range(60)]
        json_lines(f"records/{file}.jsonl", records)
    with Path("records/b.jsonl").open("a") as more:
        for colour in ("red", "blue", "green"):
            more.write(json.dumps({"id": colour, "text": f"A {colour} shirt of fine linen"}) + "\n")
        more.write(json.dumps({"id": "again", "text": "A RED shirt of fine linen"}) + "\n")

    run = made("short-records", "neighbors")
    reasons = dropped(run)
    assert reasons.pop("exact_duplicate") >= 1
    assert set(reasons) <= {None, "fuzzy_duplicate"}
    assert reasons[None] > 110
    manifest = json.loads((run / "neighbors" / "duplicates" / "_manifest.json").read_text())
    assert manifest["rows"] == 0  # red and blue both stay


def test_ablation(made: Recipe) -> None:
    json_lines("data/a.jsonl", [{"text": text(number, sentences=8)} for number in range(60)])
    small = ("pack.context_length=256", "embed.lexical_dimensions=64")
    shared = made("ablation", "neighbors", *small)
    tokens, fingerprints = set(), set()
    for order in ("contexts", "path", "iclm", "random"):
        shutil.copytree(shared, f"{shared}-{order}")
        run = made("ablation", None, *small, f"output=runs/ablation-{order}", f"order.strategy={order}")
        dataset = ContextDataset(run / "shards", return_provenance=True)
        pieces = Counter[int]()
        for row in dataset:
            for key, length in zip(row["doc_ids"].tolist(), row["doc_lens"].tolist(), strict=True):
                pieces[key] += length
        assert len(pieces) > 15  # the others are versions of these, by their few words
        tokens.add(tuple(sorted(pieces.values())))
        fingerprints.add(dataset.fingerprint)
        assert (run / "vectors" / "_manifest.json").read_bytes() == (shared / "vectors" / "_manifest.json").read_bytes()
    assert (len(tokens), len(fingerprints)) == (1, 4)


def test_recipes_are_listed_and_complete(sequitur: Callable[..., Any], tmp_path: Path) -> None:
    """Each says what it is for and what it leaves, and is a valid configuration; a test above runs it."""
    purposes = recipes.purposes()
    run_above = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(purposes) <= run_above
    assert len(purposes) >= 6
    listed = sequitur("init", "--recipe", "list").out
    for name, purpose in purposes.items():
        assert name in listed
        assert purpose.split()[0] in listed
        path = tmp_path / f"{name}.yaml"
        path.write_text(recipes.recipe(name))
        assert config.load(path).name == name
        assert config.load(path).output == f"runs/{name}"
    with pytest.raises(ConfigError, match=r"no such recipe; there are ablation, books, .*web-crawl"):
        recipes.recipe("poems")


def test_a_recipe_for_inputs_that_are_there(sequitur: Callable[..., Any], tmp_path: Path, made: Recipe) -> None:
    json_lines("here/a.jsonl", [{"id": n, "body": f"Record {n} of the first file"} for n in range(9)])
    json_lines("here/b.jsonl", [{"id": n, "body": f"Record {n} of the second file"} for n in range(9)])
    assert sequitur("init", "my.yaml", "--recipe", "short-records", "--from", "here").code == 0
    settings = config.load("my.yaml")
    assert [each.path for each in settings.ingest.inputs] == ["here"]
    assert settings.ingest.of(0).text_field == "body"
    assert (settings.select.rules, settings.ingest.ids) == (["gopher_short"], "file_and_row")
    assert sequitur("init", "other.yaml", "--recipe", "books", "--from", "here").code == 0
    assert config.load("other.yaml").ingest.ids == "file_and_row"  # which that recipe does not set
    assert sequitur("init", "code.yaml", "--recipe", "code", "--from", "here", "--from", "there").code == 0
    of_code = config.load("code.yaml").ingest.inputs
    assert [(each.path, each.format, "Makefile" in each.include) for each in of_code] == [
        (path, "text", True) for path in ("here", "there")
    ]
    unknown = sequitur("init", "none.yaml", "--recipe", "poems")
    assert (unknown.code, Path("none.yaml").exists()) == (1, False)

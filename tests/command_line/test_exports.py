import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from example_dataset import SEQ_LEN, Dataset, write_dataset
from typer.testing import CliRunner

from sequitur.api.exports.documents import FORMATS
from sequitur.command_line.exports import DOCUMENT_TARGETS, export
from sequitur.pipeline.errors import ConfigError, OwnModuleFailed
from sequitur.shards.exports import TARGETS, ExportReport


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("shards") / "shards")


def run(*arguments: object) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(export)
    ended = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def test_command_tells_what_was_written_and_what_was_not(dataset: Dataset, tmp_path: Path) -> None:
    code, text, _ = run(dataset.root, "--to", "megatron", tmp_path / "text")
    split = dataset.manifest.split("train")
    short = split.rows * SEQ_LEN - split.tokens
    assert code == 0
    assert f"{split.rows - 1:,} rows, {(split.rows - 1) * SEQ_LEN:,} tokens" in text
    assert f"dropped  1 rows of fewer than {SEQ_LEN} tokens" in text
    assert f"with them {SEQ_LEN - short} tokens" in text

    code, text, _ = run(dataset.root, tmp_path / "json", "--to", "olmo", "--split", "val", "--json")
    assert code == 0
    assert ExportReport(**json.loads(text)).row_digest == dataset.manifest.split("val").row_digest


def test_command_ends_a_mistake_with_one_line(dataset: Dataset, tmp_path: Path) -> None:
    for arguments in (
        (dataset.root, "--to", "nothing", tmp_path / "new"),
        (tmp_path / "nowhere", "--to", "olmo", tmp_path / "new"),
        (dataset.root, "--to", "olmo", dataset.root),
    ):
        code, text, error = run(*arguments)
        assert (code, text) == (1, "")
        assert error.startswith("error: ")
        assert error.count("\n") == 1


def test_help_names_every_target() -> None:
    app = typer.Typer()
    app.command()(export)
    (to,) = (one for one in typer.main.get_command(app).params if one.name == "target")
    assert {*TARGETS, *FORMATS} <= {*re.findall(r"\w+", str(to.help))}
    assert set(DOCUMENT_TARGETS) == FORMATS.keys()


PLAIN = """def write(source, out):
    with (out / "rows.bin").open("wb") as file:
        for shard in range(source.n_shards):
            for contexts in source.batches(shard, "full"):
                file.write(contexts.input_ids.tobytes())
    return {"dtype": "uint32", "sequence_length": source.seq_len}
"""


def test_an_own_target_writes_and_is_recorded(
    dataset: Dataset, tmp_path: Path, write_own: Callable[[str, str], Path]
) -> None:
    file = write_own("plain", PLAIN)
    code, text, _ = run(dataset.root, "--to", "mine.plain", tmp_path / "out")
    assert code == 0
    assert f"set      sequence_length: {SEQ_LEN}" in text
    report = json.loads((tmp_path / "out/sequitur-export.json").read_text())
    assert report["target"] == "mine.plain"
    assert report["source_digest"] == hashlib.sha256(file.read_bytes()).hexdigest()
    rows = dataset.manifest.split("train").rows - 1
    assert (tmp_path / "out/rows.bin").stat().st_size == rows * SEQ_LEN * 4 == report["rows"] * SEQ_LEN * 4

    code, text, _ = run(dataset.root, "--to", "mine.plain", tmp_path / "json", "--json")
    assert json.loads(text) == report
    code, text, _ = run(dataset.root, "--to", "olmo", tmp_path / "ours", "--json")
    assert "source_digest" not in json.loads(text)
    assert "source_digest" not in json.loads((tmp_path / "ours/sequitur-export.json").read_text())


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            PLAIN.replace("source.n_shards", "source.n_shard"),
            r"mine.plain: raised AttributeError: .* \(line 3 of .*plain.py",
        ),
        (PLAIN.replace('"uint32"', "source"), "--to mine.plain: raised TypeError: Object of type Source is not JSON"),
        ("def write(source, out): ...", "--to mine.plain: raised TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_what_an_own_target_does_wrong_is_a_line_and_nothing_is_left(
    dataset: Dataset, tmp_path: Path, write_own: Callable[[str, str], Path], source: str, complaint: str
) -> None:
    write_own("plain", source)
    with pytest.raises(OwnModuleFailed, match=complaint):
        run(dataset.root, "--to", "mine.plain", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("times", [0, 2])
def test_an_own_target_takes_every_row_once(
    dataset: Dataset, tmp_path: Path, write_own: Callable[[str, str], Path], times: int
) -> None:
    write_own("plain", PLAIN.replace("range(source.n_shards)", f"list(range(source.n_shards)) * {times}"))
    code, _, error = run(dataset.root, "--to", "mine.plain", tmp_path / "out")
    assert code == 1
    assert "mine.plain did not take every row once: go through source.batches of each of" in error
    assert not (tmp_path / "out").exists()


def test_an_own_target_that_is_not_there_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--to mine_too\.absent: no such module; install it, or name the folder"):
        run(dataset.root, "--to", "mine_too.absent", tmp_path / "out")

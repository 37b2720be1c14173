import json
from pathlib import Path

import pytest
import typer
from example_dataset import SEQ_LEN, Dataset, write_dataset
from typer.testing import CliRunner

from sequitur.command_line.exports import export
from sequitur.shards.exports import TARGETS, ExportReport


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("shards") / "shards")


def run(*arguments: object) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(export)
    ended = CliRunner().invoke(app, [str(argument) for argument in arguments])
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
    assert ", ".join(TARGETS) in str(to.help)

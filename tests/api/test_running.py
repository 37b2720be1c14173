"""`sequitur.run` does what the command does, from a file, a mapping or a configuration, and opens what it made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import sequitur
from sequitur.pipeline import config as configuration
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.stage import Run

Settings = Callable[..., dict[str, Any]]


def test_a_run_is_the_one_of_the_command(
    settings: Settings, finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = finished.config.pack.model_dump(mode="json", include={"context_length", "validation_share"})
    content = settings(tmp_path / "run", pack=pack)
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(content))
    run = sequitur.run(tmp_path / "my.yaml", workers=2)
    assert "report" in capsys.readouterr().err
    for name in ("order", "shards"):
        assert run.artifact(name).manifest == finished.manifest(name)
    again = sequitur.run(str(tmp_path / "my.yaml"), progress=False)
    assert again.ledger == run.ledger
    assert capsys.readouterr() == ("", "")


def test_parts_of_the_recipe_and_overrides(settings: Settings, tmp_path: Path) -> None:
    content = settings(tmp_path / "run")
    run = sequitur.run(content, last="annotate", overrides=["select.rules=none"], progress=False)
    assert run.artifacts == ["documents", "rejects", "signals"]
    assert run.config.select.rules == []
    whole = configuration.validate(content, "test")
    run = sequitur.run(whole, only="select", progress=False)
    assert "selection" in run.artifacts
    assert run.config == whole.model_copy(update={"output": str(tmp_path / "run")})
    with pytest.raises(ConfigError, match="only goes without first and last"):
        sequitur.run(content, only="select", last="order")
    with pytest.raises(ConfigError, match="unknown key paks"):
        sequitur.run({**content, "paks": {}})

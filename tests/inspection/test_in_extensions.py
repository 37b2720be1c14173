"""A document of an extension is found where the run knows none, and an ambiguous name stays one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sequitur.inspection.in_extensions import asked
from sequitur.pipeline.config import Config, validate
from sequitur.pipeline.errors import DocumentUnknown
from sequitur.pipeline.storage import Directory
from sequitur.stages.shared.columns.lookup import DocumentAmbiguous


@pytest.fixture
def config(tmp_path: Path, settings: Any) -> Config:
    """A run with two extensions, of which only the configurations are there."""
    made = validate(settings(tmp_path), "settings")
    for name in ("0001", "0002"):
        (tmp_path / "extensions" / name).mkdir(parents=True)
        (tmp_path / "extensions" / name / "config.yaml").write_text(made.to_yaml())
    return made


def test_the_first_that_knows_it_answers(config: Config) -> None:
    root = Directory(config.output)

    def knows(*names: str) -> Any:
        def ask(where: Directory, _: Config) -> Mapping[str, Any]:
            name = where.path().rsplit("/", 1)[-1]
            if name not in names:
                raise DocumentUnknown(f"{name}: knows none")
            return {"by": name}

        return ask

    run = root.path().rsplit("/", 1)[-1]
    assert asked(root, config, knows(run, "0001")) == ({"by": run}, None)
    told, extension = asked(root, config, knows("0002"))
    assert told == {"by": "0002"}
    assert extension is not None
    with pytest.raises(DocumentUnknown, match=f"{run}: knows none; nor does any one extension of the run know it"):
        asked(root, config, knows())


def test_an_ambiguous_name_is_not_looked_for_elsewhere(config: Config) -> None:
    def ask(where: Directory, _: Config) -> Mapping[str, Any]:
        assert "extensions" not in where.path()
        raise DocumentAmbiguous("may be one of several")

    with pytest.raises(DocumentAmbiguous):
        asked(Directory(config.output), config, ask)

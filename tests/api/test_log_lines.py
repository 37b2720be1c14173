"""Log lines reach whoever set up logging, and nobody else."""

import logging

import pytest

from sequitur.api.log_lines import unasked_log_lines_hidden


def test_lines_go_nowhere_without_handlers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    with unasked_log_lines_hidden():
        logging.warning("of a library")  # which would set up a handler
        logging.getLogger("of_a_library").error("of another")
    assert (root.handlers, capsys.readouterr().err) == ([], "")


def test_handlers_that_were_set_up_get_all(caplog: pytest.LogCaptureFixture) -> None:
    before = list(logging.getLogger().handlers)
    caplog.set_level(logging.WARNING)  # which commands run by other tests may have raised
    with unasked_log_lines_hidden():
        logging.getLogger("of_a_library").warning("seen")
    with pytest.raises(ValueError, match="amiss"), unasked_log_lines_hidden():
        raise ValueError("amiss")
    assert caplog.messages == ["seen"]
    assert logging.getLogger().handlers == before

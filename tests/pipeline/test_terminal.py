"""No text commands a terminal."""

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sequitur.pipeline.errors import InputError, from_worker
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.terminal import one_line

NASTY = "a\x1b[2Jb\u202ec\x9bd\x00e\u2066f\x7f"


@given(st.text())
def test_nothing_but_what_is_seen_is_left(text: str) -> None:
    shown = one_line(text)
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert one_line(shown) == shown


def test_plain_text_stays() -> None:
    assert one_line("ä 漢字\n  and\tmore") == "ä 漢字 and more"


def test_progress_says_it_harmless() -> None:
    said = io.StringIO()
    Progress(Console(file=said, soft_wrap=True)).say(NASTY)
    assert said.getvalue() == f"{one_line(NASTY)}\n"
    assert "\x1b" not in one_line(NASTY)


def test_an_error_is_one_line_whatever_file_it_names() -> None:
    error = from_worker(InputError(f"/data/a\nb{NASTY}.jsonl: is damaged; fetch it again"))
    assert isinstance(error, InputError)
    assert str(error).isprintable()
    assert str(error).startswith("/data/a\ufffdb")
    assert str(error).endswith("is damaged; fetch it again")

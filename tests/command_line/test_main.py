"""The command line: a mistake prints one line on standard error and ends with a code that is not 0."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from sequitur import beam_job
from sequitur.command_line import jobs
from sequitur.command_line.common import print_json
from sequitur.inspection import compare as comparison
from sequitur.pipeline import config, config_text, run_directory
from sequitur.pipeline.errors import StageFailed

Sequitur = Callable[..., Any]  # returns how the command ended: code, out, err


@pytest.fixture
def sequitur(sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sequitur:
    """Runs the command in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return sequitur


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A configuration file whose input is missing."""
    path = tmp_path / "my.yaml"
    path.write_text("output: run\ningest: {inputs: none.jsonl}\n")
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run directory in which nothing is done yet."""
    (tmp_path / "run").mkdir()
    settings = {"output": str(tmp_path / "run"), "ingest": {"inputs": [str(tmp_path / "in.jsonl")]}}
    (tmp_path / "run" / "config.yaml").write_text(config.validate(settings, "").to_yaml())
    return tmp_path / "run"


def refused(ended: Any, complaint: str, code: int = 1) -> None:
    assert ended.code == code
    assert ended.err.startswith(f"error: {complaint}")
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_help_is_quick_and_names_every_command() -> None:
    script = (
        "import sys; from sequitur.command_line import main as cli\n"
        "sys.argv = ['sequitur', '--help']\n"
        "cli.main()\n"
        "heavy = {'apache_beam', 'torch', 'numba', 'pyarrow', 'faiss', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    for command in ("demo", "init", "config", "run", "status", "verify", "show", "compare", "corpus"):
        assert f"\n  {command} " in ended.stdout


def test_init_writes_a_configuration_that_runs_as_it_is(sequitur: Sequitur, tmp_path: Path) -> None:
    ended = sequitur("init", "new.yaml")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "wrote new.yaml; set ingest.inputs and output, then: sequitur run new.yaml\n"
    assert (tmp_path / "new.yaml").read_text() == config_text.starter_yaml()


def test_init_overwrites_nothing(sequitur: Sequitur, written: Path) -> None:
    before = written.read_text()

    refused(sequitur("init", "my.yaml"), "my.yaml: exists already; delete it or give another name")
    refused(sequitur("init", "none/new.yaml"), "none/new.yaml: No such file or directory; choose another place")
    assert written.read_text() == before


def test_config_prints_the_resolved_settings(sequitur: Sequitur, written: Path) -> None:
    ended = sequitur("config", "my.yaml", "--set", "order.strategy=iclm", "--set", "seed=3")

    assert (ended.code, ended.err) == (0, "")
    assert config.validate(config.read_yaml(ended.out), "") == config.load(written, ["order.strategy=iclm", "seed=3"])


def test_config_prints_nothing_that_commands_a_terminal(sequitur: Sequitur, written: Path) -> None:
    odd = "a\u202eb\x9bc"
    ended = sequitur("config", written, "--set", f"ingest.id_field={json.dumps(odd)}")
    assert ended.out.isascii()
    assert config.read_yaml(ended.out)["ingest"]["id_field"] == odd


def test_json_holds_what_commands_a_terminal_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    odd = "\x1b[2J\x7f\x9b31m\u202e \udcff é 中"
    print_json({odd: [odd]})
    line = capsys.readouterr().out
    assert json.loads(line) == {odd: [odd]}
    assert line.removesuffix("\n").isprintable()
    assert "é 中" in line


@pytest.mark.parametrize("command", ["config", "run"])
def test_wrong_configuration(sequitur: Sequitur, written: Path, command: str) -> None:
    code = 78 if command == "run" else 1
    refused(sequitur(command, "none.yaml"), "none.yaml: No such file or directory; `sequitur init none.yaml`", code)
    refused(sequitur(command, "my.yaml", "--set", "sede=1"), "my.yaml: unknown key sede; did you mean seed?", code)
    wrong = sequitur(command, "my.yaml", "--set", "output=[a\nb]")
    refused(wrong, "my.yaml: output: input should be a valid string", code)
    written.write_text("output: [")
    refused(sequitur(command, "my.yaml"), "my.yaml: not valid YAML at line 1", code)


def test_wrong_runs(sequitur: Sequitur, written: Path, tmp_path: Path) -> None:
    run = ("run", "my.yaml", "--workers", "1")
    refused(sequitur(*run), "none.jsonl: ")
    refused(sequitur(*run, "--only", "sort"), "no stage sort; the stages are ingest, refine, annotate, select", 78)
    refused(sequitur(*run, "--only", "pack", "--until", "pack"), "--only goes without --from and --until", code=2)
    refused(sequitur(*run, "--from", "pack", "--until", "order"), "no stage lies from pack until order", 78)
    refused(sequitur(*run, "--set", "output=my.yaml"), "my.yaml: is a file; choose another output", 78)
    refused(sequitur(*run, "--set", "output=."), ".: holds my.yaml and no run; choose another output", 78)
    refused(sequitur(*run, "--set", "output=nosuch://a"), "nosuch://a: Protocol not known: nosuch", 78)
    refused(sequitur(*run, "--set", 'output="a\\0b"'), "a\ufffdb: holds a null character; check the path", 78)
    refused(sequitur(*run, "--set", "output=simplecache::a"), "simplecache::a: holds ::, which chains file systems", 78)
    refused(sequitur("show", "x" * 300), "x" * 300)
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


@pytest.mark.parametrize(
    ("raised", "complaint", "code"),
    [
        (KeyboardInterrupt(), "interrupted; the same command goes on from here", 130),
        (StageFailed("a worker\nprocess died"), "a worker\ufffdprocess died", 75),
    ],
)
@pytest.mark.usefixtures("written")
def test_interrupted_and_failed_runs(
    sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch, raised: BaseException, complaint: str, code: int
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr(run_directory, "execute", fail)
    refused(sequitur("run", "my.yaml"), complaint, code)


@pytest.mark.parametrize("command", ["status", "verify"])
@pytest.mark.parametrize("place", ["none", "my.yaml", ".", "nosuch://a"])
@pytest.mark.usefixtures("written")
def test_place_without_a_run(sequitur: Sequitur, command: str, place: str) -> None:
    complaint = "Protocol not known" if "://" in place else "no run is there; give the `output`"
    refused(sequitur(command, place), f"{place}: {complaint}")


def test_damaged_stored_configuration(sequitur: Sequitur, stored: Path) -> None:
    (stored / "config.yaml").write_text("[")

    for command in ("status", "verify"):
        refused(sequitur(command, "run"), f"{stored}/config.yaml: not valid YAML; run again")


@pytest.mark.usefixtures("stored")
def test_status_of_a_run_that_has_not_begun(sequitur: Sequitur) -> None:
    ended = sequitur("status", "run")

    assert (ended.code, ended.err) == (0, "")
    rows = [line.split() for line in ended.out.splitlines()]
    assert rows[0] == ["stage", "artifact", "state", "parts", "rows", "bytes", "seconds"]
    assert ["neighbors", "neighbors", "absent", "0", "0", "0", "B"] in rows
    assert len(rows) == 10


def test_verify_names_each_problem_and_fails(sequitur: Sequitur, stored: Path) -> None:
    ended = sequitur("verify", "run")

    assert ended.code == 1
    problems = ended.out.splitlines()
    assert len(problems) == 9
    assert problems[0] == f"{stored}/documents: absent or unfinished; run the command again to make it"
    assert ended.err == "error: run: 9 problems\n"


@pytest.mark.parametrize("place", ["none", "my.yaml", "run"])
@pytest.mark.usefixtures("written", "stored")
def test_show_without_a_dataset(sequitur: Sequitur, place: str) -> None:
    refused(sequitur("show", place), f"{place}: ")


COMPARED = {
    "documents": 40,
    "context_length": 512,
    "policy": "stream",
    "bound": 0.7,
    "orders": {"iclm": {"adjacency": 0.5}, "bm25": {"error": "there are no terms"}},
}


def test_compare_shows_a_table_and_writes_a_page(
    sequitur: Sequitur, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def compare(run: Any, names: list[str], gain_contexts: int | None) -> dict[str, Any]:
        asked.append((names, run.config.pack.policy, run.config.pack.context_length, gain_contexts))
        return COMPARED

    monkeypatch.setattr(comparison, "compare", compare)

    ended = sequitur("compare", "run", "--orders", "iclm, bm25,", "--policy", "stream", "--context-length", "512")

    assert asked == [(["iclm", "bm25"], "stream", 512, None)]
    assert (ended.code, ended.err) == (0, f"plot       {stored}/report/compare.html\n")
    assert ["iclm", "0.500"] in [line.split() for line in ended.out.splitlines()]
    assert "bm25: cannot be computed: there are no terms" in ended.out
    assert (stored / "report" / "compare.html").read_text().startswith("<!doctype html>")

    (stored / "report" / "compare.html").unlink()
    ended = sequitur("compare", "run", "--json", "--gain-contexts", "9")
    assert (ended.code, ended.err, json.loads(ended.out)) == (0, "", COMPARED)
    assert asked[1][1:] == ("filled", 8192, 9)
    assert not (stored / "report" / "compare.html").exists()


@pytest.mark.parametrize("page", ["[]", "{}", '{"name": 3}'])
def test_compare_beside_a_report_that_was_edited(
    sequitur: Sequitur, stored: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(comparison, "compare", lambda *_: COMPARED)
    (stored / "report").mkdir()
    (stored / "report/page.json").write_text(page)
    ended = sequitur("compare", "run", "--orders", "iclm")
    assert ended.code == 1
    assert "error: run/report/page.json: is not what the report wrote" in ended.err.replace(f"{stored.parent}/", "")


@pytest.mark.usefixtures("stored")
def test_compare_that_cannot_be(sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(sequitur("compare", "none"), "none: no run is there; give the `output`")
    refused(sequitur("compare", "run", "--orders", "iclmm"), "order.strategy: no order is called iclmm; did you mean")
    refused(sequitur("compare", "run", "--orders", ","), "--orders: name at least one order", code=2)
    refused(sequitur("compare", "run", "--policy", "[a"), "--set pack.policy=[a: the value is not valid YAML")
    refused(sequitur("compare", "run", "--policy", "half"), "--set: pack.policy: input should be 'whole', 'filled'")
    refused(sequitur("compare", "run", "--context-length", "1"), "--set: pack.context_length: input should be")
    unfinished = sequitur("compare", "run", "--orders", "iclm")
    refused(unfinished, "")
    assert "/documents: not finished; run the stage that makes it first" in unfinished.err

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare", interrupt)
    refused(sequitur("compare", "run"), "interrupted; nothing was changed", code=130)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("sort",), "No such command 'sort'"),
        (("run",), "Missing argument"),
        (("run", "my.yaml", "--workers", "0"), "Invalid value for '--workers'"),
        (("status", "a", "b"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_has_its_own_code(sequitur: Sequitur, arguments: tuple[str, ...], complaint: str) -> None:
    ended = sequitur(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
    assert complaint in ended.err.splitlines()[-1]


def test_the_recipe_as_a_script_says_the_same(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert beam_job.main(["--config", str(written.with_name("none.yaml"))]) == 78
    assert "none.yaml: No such file or directory" in capsys.readouterr().err
    assert beam_job.main(["--config", str(written), "--set", "sede=1"]) == 78
    assert "unknown key sede; did you mean seed?" in capsys.readouterr().err


@pytest.mark.usefixtures("written")
def test_runners_are_listed_and_checked(sequitur: Sequitur, tmp_path: Path) -> None:
    refused(sequitur("runners"), "runners/: holds no YAML file; name one, as in sequitur runners spark.yaml")
    (tmp_path / "runners").mkdir()
    (tmp_path / "runners" / "dataflow.yaml").write_text("runner: DataflowRunner\nproject: p\nregion: r\n")
    ended = sequitur("runners")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.split()[-4:] == ["runners/dataflow.yaml", "DataflowRunner", "options", "known"]

    (tmp_path / "runners" / "spark.yaml").write_text("runner: PortableRunner\njob_endpoint: localhost:1\n")
    ended = sequitur("runners")
    assert ended.code == 1
    assert "job_endpoint localhost:1: Connection refused" in " ".join(ended.out.split())


def test_a_pool_of_workers_says_where_it_listens_or_why_not(
    sequitur: Sequitur, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(event: Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(sequitur("pool", "--port", str(port)), f"127.0.0.1:{port}: cannot listen there", 78)
    monkeypatch.setattr(jobs, "Event", type("Event", (), {"wait": interrupt}))
    ended = sequitur("pool", "--port", "0")
    assert ended.code == 130
    assert ended.out.startswith("listening on 127.0.0.1:")


def test_a_job_for_another_runner_is_looked_at_first(sequitur: Sequitur, written: Path, tmp_path: Path) -> None:
    file = tmp_path / "spark.yaml"
    run = ("run", "my.yaml", "--on", "spark.yaml")
    refused(sequitur(*run), "spark.yaml: No such file or directory; give a file of Beam options", 78)
    file.write_text("runner: PortableRunner\njob_endpoint: localhost:1\n")
    refused(sequitur(*run, "--set", "output=run"), "output: run is a relative path", 78)
    inputs = f"ingest.inputs={tmp_path}/a.jsonl"
    away = sequitur(*run, "--set", f"output={tmp_path}/run", "--set", inputs)
    refused(away, "job_endpoint localhost:1: Connection refused; start the job server there", 75)
    file.write_text("runner: PortableRunner\njob_endpiont: localhost:1\n")
    refused(sequitur(*run), "spark.yaml: --job_endpiont is no option of Beam", 78)
    assert beam_job.main(["--config", str(written), "--job_endpiont=a"]) == 78
    assert not (tmp_path / "run").exists()

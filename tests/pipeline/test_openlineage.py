"""OpenLineage events of a run: which come in which order, and what an endpoint may do without harm."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from lineage_rules import problems

from sequitur.pipeline import lock, openlineage, run_directory
from sequitur.pipeline.errors import ConfigError, InputError, RunLocked
from sequitur.pipeline.openlineage import Lineage
from sequitur.pipeline.stage import Run, Stage
from sequitur.pipeline.watching import watched

Events = list[dict[str, Any]]
Answer = Callable[[BaseHTTPRequestHandler], None]


def executed(recipe: Sequence[Stage], run: Run, target: str) -> list[str]:
    """Runs a recipe as a command does, with events. Returns the lines that were said of them."""
    said: list[str] = []
    run.progress._watchers.clear()
    run.progress.say = said.append  # type: ignore[method-assign]
    with watched(run.progress, None, target):
        run.progress.run_begins(run.config)
        run_directory.execute(recipe, run)
    return [line for line in said if "openlineage" in line.lower()]


def told(path: Path) -> Events:
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [problem for event in found for problem in problems(event)] == []
    return found


def kinds(found: Events) -> list[tuple[str, str]]:
    return [(event["job"]["name"], event["eventType"]) for event in found]


def raising(stage: Stage, error: BaseException) -> Stage:
    """The stage, whose work ends by an error."""

    def work(run: Run) -> dict[str, Any]:
        raise error

    return Stage(**{**vars(stage), "work": work})


def test_a_run_and_each_stage_are_told(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "events.jsonl"
    assert executed(recipe, run, str(path)) == []
    found = told(path)
    assert kinds(found) == [
        ("corpus", "START"),
        ("corpus.count", "START"),
        ("corpus.count", "COMPLETE"),
        ("corpus.double", "START"),
        ("corpus.double", "COMPLETE"),
        ("corpus", "COMPLETE"),
    ]
    ids = [event["run"]["runId"] for event in found]
    assert (ids[0], ids[1], ids[3]) == (ids[5], ids[2], ids[4])
    assert len(set(ids)) == 3
    assert {event["job"]["namespace"] for event in found} == {"sequitur"}
    for event in found[1:5]:
        assert event["run"]["facets"]["parent"]["run"]["runId"] == ids[0]
        assert event["run"]["facets"]["parent"]["job"] == {"namespace": "sequitur", "name": "corpus"}
    (file,) = run.config.ingest.inputs
    documents, doubled = (run.artifact(name).path() for name in ("documents", "doubled"))
    datasets = [[[one["name"] for one in event[side]] for side in ("inputs", "outputs")] for event in found]
    assert datasets == [
        [[file.path], []],
        [[file.path], []],
        [[file.path], [documents]],
        [[documents], []],
        [[documents], [doubled]],
        [[file.path], [documents, doubled]],
    ]


def test_a_retry_is_another_run_and_tells_no_stage_that_was_done(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with pytest.raises(InputError):
        executed((recipe[0], raising(recipe[1], InputError("in.jsonl: gone; mend that"))), make_run(), str(path))
    executed(recipe, make_run(), str(path))  # the file is appended to
    found = told(path)
    assert kinds(found) == [
        ("corpus", "START"),
        ("corpus.count", "START"),
        ("corpus.count", "COMPLETE"),
        ("corpus.double", "START"),
        ("corpus.double", "FAIL"),
        ("corpus", "FAIL"),
        ("corpus", "START"),
        ("corpus.double", "START"),
        ("corpus.double", "COMPLETE"),
        ("corpus", "COMPLETE"),
    ]
    assert len({event["run"]["runId"] for event in found}) == 5
    for event in found[4:6]:
        assert event["run"]["facets"]["errorMessage"]["message"] == "InputError: in.jsonl: gone; mend that"
    assert [one["name"] for one in found[-1]["outputs"]] == [
        make_run().artifact(name).path() for name in ("documents", "doubled")
    ]


def test_what_a_signal_ends_is_aborted(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with pytest.raises(KeyboardInterrupt):
        executed((recipe[0], raising(recipe[1], KeyboardInterrupt())), make_run(), str(path))
    found = told(path)
    assert kinds(found)[-2:] == [("corpus.double", "ABORT"), ("corpus", "ABORT")]
    assert "errorMessage" not in found[-1]["run"]["facets"]


def test_a_run_that_is_refused_begins_and_fails(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "events.jsonl"
    with lock.exclusive(run.root), pytest.raises(RunLocked):
        executed(recipe, run, str(path))
    assert kinds(told(path)) == [("corpus", "START"), ("corpus", "FAIL")]


def test_no_secret_of_a_configuration_is_told(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    path, inputs = tmp_path / "events.jsonl", ["s3://key:secret@bucket/in/*.jsonl"]
    error = InputError("s3://key:secret@bucket/in/a.jsonl?sign=secret: gone; mend that")
    run = make_run(output="memory://key:secret@bucket/run", ingest={"inputs": inputs})
    with pytest.raises(InputError):
        executed((recipe[0], raising(recipe[1], error)), run, str(path))
    assert "secret" not in path.read_text()
    assert told(path)[0]["inputs"] == [{"namespace": "s3://bucket", "name": "in"}]


def test_another_namespace(make_run: Any, recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "team-a")
    executed(recipe, make_run(), str(tmp_path / "events.jsonl"))
    assert {event["job"]["namespace"] for event in told(tmp_path / "events.jsonl")} == {"team-a"}


class Endpoint:
    """Takes events on a port of this machine, and answers as it is told to."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler: answer(handler, 201)
        self.taken: Events = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append((self.path, dict(self.headers)))
                endpoint.taken.append(json.loads(body))
                endpoint.answer(self)

            def do_GET(self) -> None:
                endpoint.requests.append((f"GET {self.path}", {}))
                answer(self, 200)

            def handle(self) -> None:
                with suppress(ConnectionError):  # whoever asked has given up
                    super().handle()

            def log_message(self, *said: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def test_an_endpoint_takes_what_a_file_would(make_run: Any, recipe: Any, tmp_path: Path, endpoint: Endpoint) -> None:
    assert executed(recipe, make_run(), f"http://{endpoint.address}/in/here") == []
    assert [problem for event in endpoint.taken for problem in problems(event)] == []
    assert kinds(endpoint.taken)[-1] == ("corpus", "COMPLETE")
    assert len(endpoint.taken) == 6
    assert {path for path, _ in endpoint.requests} == {"/in/here"}
    assert {headers["Content-Type"] for _, headers in endpoint.requests} == {"application/json"}
    assert not any("Authorization" in headers for _, headers in endpoint.requests)


@pytest.mark.parametrize(
    ("user", "key", "sent"),
    [("me:p%40ss@", "", "Basic bWU6cEBzcw=="), ("", "abc", "Bearer abc"), ("me@", "abc", "Basic bWU6")],
)
def test_an_endpoint_is_told_who_asks(
    endpoint: Endpoint, make_run: Any, monkeypatch: pytest.MonkeyPatch, user: str, key: str, sent: str
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", key)
    lineage = Lineage(f"http://{user}{endpoint.address}", print)
    lineage.run_begins(make_run().config)
    lineage.run_ends(None)
    assert [(path, headers["Authorization"]) for path, headers in endpoint.requests] == [("/api/v1/lineage", sent)] * 2


def no_answer(handler: BaseHTTPRequestHandler) -> None:
    """Closes the connection."""


def slowly(handler: BaseHTTPRequestHandler) -> None:
    """Sends a byte at a time, each in good time."""
    for letter in b"HTTP/1.1 200 OK\r\nX-Long: 0123456789\r\n":
        handler.wfile.write(bytes([letter]))
        time.sleep(0.02)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answers with more than anybody would read."""
    answer(handler, 500, b"x" * 2**22)


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (lambda handler: answer(handler, 503), "HTTP Error 503: Service Unavailable"),
        (
            lambda handler: answer(handler, 302, Location="file:///etc/passwd"),
            "HTTP Error 302: Found - Redirection to url 'file:///etc/passwd' is not allowed",
        ),
        (lambda handler: answer(handler, 302, Location="/elsewhere"), "HTTP Error 302: Found"),
        (lambda handler: answer(handler, 307, Location="ftp://127.0.0.1/x"), "HTTP Error 307: Temporary Redirect"),
        (no_answer, "Remote end closed connection without response"),
        (slowly, "no answer within 0 seconds"),
        (endless, "HTTP Error 500: Internal Server Error"),
    ],
)
def test_an_endpoint_that_fails_fails_no_run(
    make_run: Any, recipe: Any, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, does: Answer, reason: str
) -> None:
    if does is slowly:
        monkeypatch.setattr(openlineage, "SECONDS", 0.3)
        monkeypatch.setattr(openlineage, "GRACE", 0.1)
    endpoint.answer = does
    run = make_run()
    lines = executed(recipe, run, f"http://me:secret@{endpoint.address}/")
    first, last = lines
    assert first == f"warning: http://{endpoint.address}/ takes no OpenLineage events: {reason}; the run goes on"
    assert last.startswith(f"openlineage 6 of 6 events did not reach http://{endpoint.address}/: ")
    assert run.manifest("doubled").rows == 6
    assert not [path for path, _ in endpoint.requests if path.startswith("GET")]


def test_an_endpoint_that_recovers_gets_what_comes_then(make_run: Any, recipe: Any, endpoint: Endpoint) -> None:
    endpoint.answer = lambda handler: answer(handler, 503 if len(endpoint.taken) < 3 else 200)
    first, last = executed(recipe, make_run(), f"http://{endpoint.address}")
    assert first.startswith("warning: ")
    assert last.startswith("openlineage 2 of 6 events did not reach ")


def test_nobody_at_the_address(make_run: Any, recipe: Any, tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        lines = executed(recipe, make_run(), f"http://127.0.0.1:{port}")
    assert len(lines) == 2
    assert "Connection refused" in lines[0]
    missing = tmp_path / "none" / "events.jsonl"
    lines = executed(recipe, make_run(), str(missing))
    assert lines[0].startswith(f"warning: {missing} takes no OpenLineage events: ")
    assert "4 of 4" not in lines[1]
    assert lines[1].startswith("openlineage 2 of 2 events did not reach ")


@pytest.mark.parametrize(
    "target", ["ftp://host/a", "file:///data/a", "http://", "https:///a", "http://host:port/", "s3://b/a"]
)
def test_other_addresses_are_refused(target: str) -> None:
    with pytest.raises(ConfigError, match=r"--openlineage .*: give a path, or an http:// or https:// URL"):
        Lineage(target, print)

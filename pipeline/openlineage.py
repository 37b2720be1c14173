"""Tells of a run and of each of its stages by OpenLineage events: in a file, a JSON object a line, or to an endpoint.

An event that cannot be told is counted and never fails the run. One is sent at a time, with a limit of seconds; no
answer is read but its status, and no redirection is followed.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sequitur.pipeline import openlineage_events as events
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import ConfigError, SequiturError
from sequitur.pipeline.terminal import one_line
from sequitur.pipeline.watching import Planned, Watcher, without_secrets

SECONDS = 5.0  # for an event to be taken
GRACE = 1.0  # more, in which what waits itself gives up first, and says why
NAMESPACE, NAMESPACE_FROM = "sequitur", "OPENLINEAGE_NAMESPACE"  # of jobs, unless the environment says another
KEY_FROM = "OPENLINEAGE_API_KEY"  # these two are named as OpenLineage's own clients name them
PATH = "/api/v1/lineage"  # of an endpoint that is given by its host alone, as theirs, too
Send = Callable[[bytes], None]  # raises OSError, HTTPException or ValueError


class Lineage(Watcher):
    """Tells of a run.

    Args:
        target: path of a file, to which is appended, or an http(s) URL.
        say: prints a line.

    Raises:
        ConfigError: the target is a URL of another kind.
    """

    def __init__(self, target: str, say: Callable[[str], None]) -> None:
        self._send, self._say, self._target = _sender(target), say, without_secrets(target)
        self._namespace = os.environ.get(NAMESPACE_FROM) or NAMESPACE
        self._run, self._stage_run = str(uuid.uuid4()), ""
        self._config: Config | None = None
        self._planned: dict[str, Planned] = {}
        self._ended: list[str] = []
        self._at_work: str | None = None
        self._started = False
        self._sent, self._lost = 0, list[str]()

    def run_begins(self, config: Config) -> None:
        self._config = config

    def planned(self, stages: Sequence[Planned]) -> None:
        self._planned |= {stage.name: stage for stage in stages}
        self._start()

    def stage_begins(self, stage: str) -> None:
        if stage in self._planned:
            self._at_work, self._stage_run = stage, str(uuid.uuid4())
            self._tell_stage(events.START)

    def stage_ends(self, stage: str) -> None:
        if self._at_work == stage:
            self._tell_stage(events.COMPLETE)
        self._at_work = None
        self._ended.append(stage)

    def run_ends(self, error: BaseException | None) -> None:
        kind = events.COMPLETE if error is None else events.FAIL
        if isinstance(error, KeyboardInterrupt):
            kind, error = events.ABORT, None
        if self._at_work is not None:
            self._tell_stage(kind, error)
        if self._config is not None:
            self._start()
            self._tell_run(kind, error)
        if self._lost:
            every = f"{len(self._lost)} of {self._sent} events"
            self._say(f"openlineage {every} did not reach {self._target}: {self._lost[-1]}")

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._tell_run(events.START)

    def _tell_run(self, kind: str, error: BaseException | None = None) -> None:
        if (config := self._config) is None:
            return

        def event() -> events.Event:
            stages = list(self._planned.values())
            made = {directory.url for stage in stages for directory in stage.makes}
            read = {one.url: one for stage in stages for one in stage.reads if one.url not in made}
            inputs = [*self._files(stages), *events.read_artifacts(read.values())]
            outputs = [one for stage in self._ended for one in events.made_artifacts(self._planned[stage].makes)]
            job = self._namespace, config.name
            return events.run_event(kind, self._run, *job, error=error, inputs=inputs, outputs=outputs)

        self._tell(event)

    def _tell_stage(self, kind: str, error: BaseException | None = None) -> None:
        if (config := self._config) is None or self._at_work is None:
            return
        stage = self._planned[self._at_work]

        def event() -> events.Event:
            inputs = [*self._files([stage]), *events.read_artifacts(stage.reads)]
            outputs = events.made_artifacts(stage.makes) if kind == events.COMPLETE else []
            job, parent = (self._namespace, f"{config.name}.{stage.name}"), (self._run, config.name)
            return events.run_event(
                kind, self._stage_run, *job, parent=parent, error=error, inputs=inputs, outputs=outputs
            )

        self._tell(event)

    def _files(self, stages: Sequence[Planned]) -> list[events.Dataset]:
        """The input files, where one of the stages is the one that reads no artifact."""
        if self._config is None or all(stage.reads for stage in stages):
            return []
        return events.input_files(one.path for one in self._config.ingest.inputs)

    def _tell(self, event: Callable[[], events.Event]) -> None:
        self._sent += 1
        try:
            self._send(json.dumps(event(), ensure_ascii=False).encode("utf-8", "replace"))
        except (SequiturError, OSError, HTTPException, ValueError) as error:
            reason = one_line(without_secrets(str(error) or type(error).__name__))
            if not self._lost:
                self._say(f"warning: {self._target} takes no OpenLineage events: {reason}; the run goes on")
            self._lost.append(reason)


def _sender(target: str) -> Send:
    if "://" not in target:
        return _Appending(Path(target))
    try:
        url = urlsplit(target)
        known = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        known = False
    if not known:
        raise ConfigError(f"--openlineage {without_secrets(target)}: give a path, or an http:// or https:// URL")
    return _Posting(target)


class _Appending:
    """Appends events to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(event + b"\n")


class _NoRedirection(HTTPRedirectHandler):
    """Follows none: what is asked for elsewhere is asked of nobody who was named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class _Posting:
    """Posts events to an endpoint, with the user of the URL or else the key of the environment."""

    def __init__(self, target: str) -> None:
        url = urlsplit(target)
        place = url.netloc.rpartition("@")[2]
        self._url = url._replace(netloc=place, path=PATH if url.path in ("", "/") else url.path, fragment="").geturl()
        self._headers = {"Content-Type": "application/json", "User-Agent": events.PRODUCER}
        if url.username is not None:
            user = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        elif key := os.environ.get(KEY_FROM):
            self._headers["Authorization"] = f"Bearer {key}"

    def __call__(self, event: bytes) -> None:
        failed: list[Exception] = []

        def post() -> None:
            try:
                request = Request(self._url, event, self._headers, method="POST")  # noqa: S310 - http(s), see _sender
                with build_opener(_NoRedirection).open(request, timeout=SECONDS):
                    pass
            except HTTPError as error:
                error.close()
                failed.append(error)
            except (OSError, HTTPException, ValueError) as error:
                failed.append(error)

        # In a thread, for one that answers byte by byte keeps within the time limit of each.
        thread = threading.Thread(target=post, name="openlineage", daemon=True)
        thread.start()
        thread.join(SECONDS + GRACE)
        if thread.is_alive():
            raise TimeoutError(f"no answer within {SECONDS:.0f} seconds")
        if failed:
            raise failed[0]

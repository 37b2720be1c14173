"""What a process may do while it reads hostile files, and what it did: watched, limited, recorded.

What is written, deleted, started or connected to from Python is seen by an audit hook; what native code does to the
canaries, by inotify (Linux). Memory and processor time are limited by the kernel.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
import resource
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sequitur.command_line import main as command_line
from sequitur.pipeline.errors import SequiturError
from sequitur.shards.errors import ShardError

SECONDS = 20  # of processor time that a case may take
MEMORY = 3 * 2**30  # bytes of address space that a case may take beyond what the process has
LINKED = "linked"  # what a link leads to may be read, as in a hub's cache; nothing may be written there
MARK = "hostile-mark"  # in the canaries, and in what would be an element of a page, were it not escaped
COMMANDS_TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
CHANGES = {"remove", "rename", "mkdir", "rmdir", "symlink", "link", "truncate", "chmod", "chown", "utime"}
STARTS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn", "webbrowser.open"}
CONNECTS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"}
# Which reads web pages; which tries tokenizers; by which Python looks for libraries, and joblib for cores.
OWN_PROCESSES = ("page_text.py", "trial.py", "/sbin/ldconfig", "lscpu")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGED = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200  # IN_MODIFY, ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE
_READ = 0x1 | 0x20  # IN_ACCESS, IN_OPEN


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Canaries:
    """Files outside what is given to be read, that nothing may touch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._system = ctypes.CDLL(None, use_errno=True)
        self._watch = self._system.inotify_init1(os.O_NONBLOCK)
        folder.mkdir(parents=True)
        self._write()
        if self._watch < 0 or self._system.inotify_add_watch(self._watch, os.fsencode(folder), _CHANGED | _READ) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def _write(self) -> None:
        (self.folder / "canary.txt").write_text(MARK)
        (self.folder / "canary.jsonl").write_text(f'{{"text": "{MARK}"}}\n')
        (self.folder / "tokenizer.json").write_text("{}")
        (self.folder / LINKED).write_text("")

    def touched(self) -> list[str]:
        """What was done to them since this was asked the last time; they are as before then."""
        found = self._events()
        if any(about.startswith("changed") for about in found):
            for path in self.folder.iterdir():
                path.unlink() if not path.is_dir() else path.rmdir()
            self._write()
            self._events()
        return found

    def _events(self) -> list[str]:
        found: dict[str, None] = {}
        while True:
            try:
                events = os.read(self._watch, 2**16)
            except BlockingIOError:
                return list(found)
            start = 0
            while start < len(events):
                _, mask, _, size = struct.unpack_from("iIII", events, start)
                name = events[start + 16 : start + 16 + size].rstrip(b"\0").decode(errors="replace")
                found[f"{'changed' if mask & _CHANGED else 'read'} outside/{name}"] = None
                start += 16 + size


class Guard:
    """Records what is written, started or connected to outside some folders, while it is asked to."""

    def __init__(self, allowed: list[Path]) -> None:
        self._allowed = tuple(f"{path.resolve()}/" for path in allowed)
        self._watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.seen, self._watching = [], True
        try:
            yield
        finally:
            self._watching = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            if arguments[2] and arguments[2] & WRITES:
                self._changed("writes", arguments[0])
        elif event == "subprocess.Popen":
            if not any(str(word).endswith(OWN_PROCESSES) for word in arguments[1]):
                self.seen.append(f"starts {arguments[1]!r:.200}")
        elif event in STARTS:
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event in CONNECTS:
            self.seen.append(f"{event} {arguments!r:.200}")
            raise PermissionError("no network for hostile files")
        elif event.startswith("os.") and event[3:] in CHANGES:
            for path in arguments[: 2 if event[3:] in ("rename", "link") else 1]:
                self._changed(event, path)

    def _changed(self, what: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.fsdecode(path)
        whole = os.path.realpath(Path(name).parent)
        if (
            not f"{whole}/".startswith((*self._allowed, "/dev/", "/proc/self/"))
            and "__pycache__" not in f"{whole}/{name}"
        ):
            self.seen.append(f"{what} {name}")


@contextmanager
def limited() -> Iterator[None]:
    """Within the block the kernel ends this process after `SECONDS` of processor time more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + SECONDS, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def limit_memory() -> None:
    """Has the kernel refuses this process more than `MEMORY` beyond what it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def command(*words: str | Path) -> Ended:
    """Runs a command of `sequitur` in this process; what no line of the command line catches is raised."""
    before = sys.argv, sys.stdout, sys.stderr, os._exit
    sys.argv = ["sequitur", *map(str, words)]
    out, err = io.StringIO(), io.StringIO()
    sys.stdout, sys.stderr = out, err
    code = 0

    def leave(status: int) -> None:
        raise SystemExit(status)

    os._exit = leave  # type: ignore[assignment]
    try:
        command_line.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else bool(end.code)
    finally:
        sys.argv, sys.stdout, sys.stderr, os._exit = before
    return Ended(code, out.getvalue(), err.getvalue())


class Judged(NamedTuple):
    """What is wrong with how a case ended, by kind, and how it ended."""

    how: str  # read, or refused
    crash: str = ""
    uncounted: str = ""
    escapes: tuple[str, ...] = ()


class Judge:
    """Runs cases, one after the other, in this process."""

    def __init__(self, allowed: list[Path], canaries: Canaries) -> None:
        self.canaries = canaries
        self._guard = Guard(allowed)
        self._said = tempfile.TemporaryFile()
        os.dup2(self._said.fileno(), 1)
        os.dup2(self._said.fileno(), 2)

    def judged(self, case: Callable[[], list[str]]) -> Judged:
        """`case` gives a line for each record or damage that is told nowhere, or raises an error."""
        how, crash, uncounted = "read", "", ""
        self.canaries.touched()
        with self._guard.watching(), limited():
            try:
                uncounted = "; ".join(case()[:3])
            except (SequiturError, ShardError) as error:
                how = "refused"
                if "\n" in str(error):
                    crash = f"an error of several lines: {str(error)!r:.200}"
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # what is looked for; of Rust a panic is no Exception
                crash = _told(error)
        escapes = [*self._guard.seen, *self.canaries.touched()]
        said = self._flushed()
        if "Traceback" in said:
            crash = crash or f"prints {said[-300:]!r}"
        if COMMANDS_TERMINAL.search(said):
            escapes.append(f"prints {said[:200]!r}")
        return Judged(how, crash, uncounted, tuple(escapes[:5]))

    def _flushed(self) -> str:
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        self._said.truncate(0)
        self._said.seek(0)
        return said


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename and "benchmarks" not in frame.filename]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}: {str(error)[:300]} ({place})"


class EscapedToTerminal(AssertionError):
    """A command printed what commands a terminal."""


def checked(ended: Ended) -> list[str]:
    """Nothing; or raises where a command ended in a traceback, or printed what commands a terminal."""
    text = ended.out + ended.err
    ended.out.encode()  # as a terminal does
    if "Traceback (most recent call last)" in text or "the traceback is in" in text:
        raise AssertionError(f"prints a traceback: {text[-300:]}")
    if found := COMMANDS_TERMINAL.search(text):
        raise EscapedToTerminal(f"prints {text[max(0, found.start() - 60) : found.end() + 40]!r}")
    return []

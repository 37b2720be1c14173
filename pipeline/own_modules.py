"""Modules of the user's own, named in a configuration by import path: an order, a signal, an input format, an exporter.

A name with a dot, such as `my_package.my_order`, is the import path of a module; a name without one is ours. The module
has a function whose name and parameters say what it is for, as our own modules of that kind have. Nothing is imported
that no setting names.

What runs is what was digested: the module's file is read, and these bytes are executed, not a compiled copy that may be
of others. A file that has changed since is executed anew, in a notebook as in a worker. Modules that it imports in its
turn are neither digested nor executed anew.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, NamedTuple

from sequitur.pipeline.errors import ConfigError, OwnModuleFailed

IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
ALONE = RLock()  # Python's caches of finders are not for several threads at once, and a module is executed by one
DIGEST = "__sequitur_digest__"  # of the bytes that a module was made of, among its names


class OwnModule(NamedTuple):
    """A module of the user's own, imported."""

    setting: str  # that names it
    path: str  # by which it is imported
    file: str
    digest: str  # sha256 of the file, in hex
    function: Callable[..., Any]

    def failed(self, complaint: object, where: str = "") -> OwnModuleFailed:
        """The error of one line for what its function raised, or for what is wrong with what it returned.

        `where` says of what, as `FILE: ` does.
        """
        if isinstance(complaint, BaseException):
            complaint = f"raised {_told(complaint, self.file)}"
        return OwnModuleFailed(f"{where}{self.setting} {self.path}: {complaint}; mend {self.file}")


def is_own(name: str) -> bool:
    """Whether a name is an import path, not one of ours."""
    return "." in name


def name_of(path: str) -> str:
    """What a module is called without the packages that it is in."""
    return path.rpartition(".")[2]


def load(setting: str, path: str, function: str, parameters: Sequence[str]) -> OwnModule:
    """Imports a module that a setting names.

    Args:
        setting: its name, for errors, such as `order.strategy`.
        path: the import path.
        function: what the module must have.
        parameters: what the function is given, by position.

    Raises:
        ConfigError: it cannot be found or imported, has no such function, or one that takes something else.
    """
    of = f"{setting} {path}"
    with ALONE:
        file, digest, module = _imported(of, path)
    found = getattr(module, function, None)
    called = f"{function}({', '.join(parameters)})"
    if not callable(found):
        raise ConfigError(f"{of}: {file} has no function {function}; define {called} there")
    try:
        inspect.signature(found).bind(*parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{of}: {function} in {file} cannot be called as {called}: {error}; define it so") from error
    return OwnModule(setting, path, file, digest, found)


def _imported(of: str, path: str) -> tuple[str, str, ModuleType]:
    """The file of a module, its digest, and the module made of it."""
    spec = _spec(of, path)
    file = str(spec.origin)
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{of}: {file}: {error.strerror or error}; name a module that can be read") from error
    digest = hashlib.sha256(content).hexdigest()
    module = sys.modules.get(path)
    if module is None or getattr(module, DIGEST, None) != digest:
        module = _executed(of, spec, content)
        setattr(module, DIGEST, digest)
    return file, digest, module


def _spec(of: str, path: str) -> ModuleSpec:
    """Where a module is; imports the packages that it is in."""
    if not IMPORT_PATH.fullmatch(path):
        raise ConfigError(f"{of}: is no import path; write it as my_package.my_module")
    importlib.invalidate_caches()  # the file may have been written by this very process
    try:
        spec = importlib.util.find_spec(path)
    except Exception as error:  # anything, from the code of a package
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f"{path}.".startswith(f"{missing}."):
            raise ConfigError(f"{of}: cannot be imported: {_told(error)}; mend it") from error
        spec = None
    if spec is None:
        package = path.rpartition(".")[0]
        if package in sys.modules and not hasattr(sys.modules[package], "__path__"):
            raise ConfigError(
                f"{of}: {package} is a module, not a package; name the module alone, without its function, and put it "
                "in a folder"
            )
        raise ConfigError(f"{of}: no such module; install it, or name the folder that it is in by PYTHONPATH")
    if not spec.has_location or not str(spec.origin).endswith(".py"):
        raise ConfigError(f"{of}: is not a file of Python source; name a module that is a .py file")
    return spec


class _OfBytes(importlib.abc.SourceLoader):
    """Makes a module of the bytes given; those of the file may be others by now."""

    def __init__(self, file: str, content: bytes) -> None:
        self._file, self._content = file, content

    def get_filename(self, fullname: str) -> str:
        return self._file

    def get_data(self, path: str) -> bytes:
        return self._content


def _executed(of: str, spec: ModuleSpec, content: bytes) -> ModuleType:
    file = str(spec.origin)
    loader = spec.loader = _OfBytes(file, content)
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(spec.name)
    sys.modules[spec.name] = module  # as an import does: dataclasses, among others, look there
    try:
        loader.exec_module(module)
    except Exception as error:  # anything, from the user's code
        del sys.modules[spec.name]
        if before is not None:
            sys.modules[spec.name] = before
        raise ConfigError(f"{of}: cannot be imported: {_told(error, file)}; mend it") from error
    return module


def _told(error: BaseException, file: str | None = None) -> str:
    """An error in a line: its class, its message, and the last line of `file` that it went through."""
    name, message = type(error).__name__, " ".join(str(error).split())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f" (line {lines[-1]} of {file})" if lines else ""
    return f"{name}{f': {message}' if message else ''}{place}"

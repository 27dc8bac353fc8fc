"""Files of this machine: read with a bound, checked before the work, and written in one step."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._arguments import described
from ._errors import DataError, InvalidValueError, WrongTypeError


def read_text(path: Path, largest: int, what: str) -> str:
    """The text of a file of at most `largest` bytes. Raises DataError, which says that `what` was expected."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise DataError(name, "", f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > largest:
        raise DataError(name, "", f"got more than {largest} bytes, expected {what}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(name, f"byte {error.start}", "got bytes that are not UTF-8, expected text") from None


def checked_output(path: Any, replaceable: Callable[[Path], bool], what: str) -> Path:
    """The file that may be written to, checked before anything is computed for nothing.

    replaceable   whether a file that is there may be replaced
    what          such a file, in words

    Raises WrongTypeError and InvalidValueError.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise WrongTypeError("output", described(path), "a path")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise InvalidValueError("output", repr(path), "the name of a file")
    shown = repr(str(path))
    target = Path(path).expanduser()
    try:
        target = target.resolve()  # a link stays, and what it names is replaced
        if target.exists():
            if not stat.S_ISREG(target.stat().st_mode):
                raise InvalidValueError("output", shown, "the name of a file, not of a folder or device")
            if not replaceable(target):
                expected = f"a new file or {what}; this file is something else and is left alone"
                raise InvalidValueError("output", shown, expected)
        elif not target.parent.is_dir():
            raise InvalidValueError("output", shown, f"a file in a folder that exists, not in {target.parent}")
        try_folder(target.parent)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or str(error)
        expected = f"a file in a folder that can be written ({target.parent}: {reason})"
        raise InvalidValueError("output", shown, expected) from None
    return target


def try_folder(folder: Path) -> None:
    """Makes a file and takes it away again. Raises OSError."""
    handle, trial = tempfile.mkstemp(prefix=".sizer-", dir=folder)
    os.close(handle)
    Path(trial).unlink()


def replace(target: Path, content: bytes) -> None:
    """Puts the file in place in one step, with the rights that a new file has, or the old one's.

    Raises InvalidValueError; then the old file is as it was.
    """
    try:
        _replace(target, content)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror or error})"
        raise InvalidValueError("output", repr(str(target)), expected) from None


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".sizer-", suffix=target.suffix, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
        else:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
        temporary.chmod(mode)
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()

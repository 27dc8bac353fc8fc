"""What pictures share: matplotlib, loaded only for them, and files that are checked before the work starts."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from ._arguments import described
from ._errors import InvalidValueError, SizerError, WrongTypeError
from ._local_file import try_folder

_SUFFIXES = (".png", ".svg")
#: Of Okabe and Ito, which colour-blind readers tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


def checked_plot(path: str | os.PathLike[str]) -> Path:
    """The file that a picture may be written to, once matplotlib is there. Raises InvalidValueError and SizerError."""
    if not isinstance(path, (str, os.PathLike)):
        raise WrongTypeError("plot", described(path), "a path")
    target = Path(path).expanduser()
    if target.suffix.lower() not in _SUFFIXES:
        raise InvalidValueError("plot", repr(str(path)), "the name of a .png or .svg file")
    try:
        if target.is_dir():
            raise InvalidValueError("plot", repr(str(path)), "the name of a file, not of a folder")
        try_folder(target.parent)
    except OSError as error:
        expected = f"a file in a folder that can be written ({target.parent}: {error.strerror or error})"
        raise InvalidValueError("plot", repr(str(path)), expected) from None
    figure_class()
    return target


def figure_class() -> Any:
    """matplotlib's Figure. Raises SizerError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SizerError(
            f"plot: matplotlib cannot be imported ({error}); `pip install matplotlib`, or leave out the plot"
        ) from None
    return Figure


def save(figure: Any, target: Path) -> Path:
    """Writes the picture in the format of the file's name. Raises InvalidValueError."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format=target.suffix[1:].lower(), dpi=130)
    try:
        target.write_bytes(drawn.getvalue())
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise InvalidValueError("plot", repr(str(target)), expected) from None
    return target

"""The README's Python and its command lines run as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "README.md"
if not README.exists():  # an installed copy of the tests
    pytest.skip("no README.md beside the sources", allow_module_level=True)

TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^ {4,}(?:\./build/\w+/)?sizer +(.+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS)
def test_python(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, str(README), "exec"), {})
    capsys.readouterr()


@pytest.mark.parametrize("line", LINES)
def test_command_line(run: Callable[..., Any], line: str) -> None:
    result = run(*shlex.split(line, comments=True))
    assert result.code in (0, 1), result.err
    assert result.out


def test_something_was_found() -> None:
    assert BLOCKS
    assert LINES

"""The README's Python and its command lines run as they stand there."""

from __future__ import annotations

import importlib.util
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


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, and stores, with the files that the commands name: small models under those names."""
    folder = Path(__file__).parent
    spec = importlib.util.spec_from_file_location("sizer_model_files", folder / "model_files.py")
    assert spec is not None and spec.loader is not None
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "OLLAMA_MODELS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    files.gguf.write_gguf(tmp_path / "model.gguf", files.gguf.llama_keys(), files.gguf.LLAMA_TENSORS)
    content = (tmp_path / "model.gguf").read_bytes()
    files.write_split(tmp_path, "model", 5, 9)
    files.write_ollama(tmp_path / ".ollama/models", "qwen3-coder/30b", {"model": content})
    files.write_hub(tmp_path / ".cache/huggingface/hub", "org/repo", {"m-Q4_K_M.gguf": content})
    files.write_files(tmp_path / "Qwen3-8B-AWQ", files.checkpoint()[0])


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("line", LINES)
def test_command_line(run: Callable[..., Any], line: str) -> None:
    result = run(*shlex.split(line, comments=True))
    assert result.code in (0, 1), result.err
    assert result.out


def test_something_was_found() -> None:
    assert BLOCKS
    assert LINES

"""The README's Python and its command lines run as they stand there."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer
from sizer._measure import devices

README = Path(__file__).parents[2] / "README.md"
if not README.exists():  # an installed copy of the tests
    pytest.skip("no README.md beside the sources", allow_module_level=True)

TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^ {4,}(?:\./build/\w+/)?sizer +(.+)$", TEXT, re.MULTILINE)
MACHINES = README.parent / "tests" / "golden" / "data" / "machines"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_figures(folder: Path) -> None:
    """A claim, a measured row and a run of llama-bench."""
    (folder / "claims.csv").write_text(
        "id,hardware,model,quant,quantity,low,high,unit\n"
        "a,dgx-spark,llama-3.1-70b,Q4_K_M,decode_tokens_per_s,25,50,token/s\n"
    )
    (folder / "rows.csv").write_text(
        "device,model,quant,test,tokens_per_s\nNVIDIA RTX 3090 24GB,llama 8B,Q4_K_M,tg,130\n"
    )
    run = {
        "build_number": 9000, "gpu_info": "NVIDIA GeForce RTX 3090", "backends": "CUDA", "n_depth": 0,
        "model_type": "llama 8B Q4_K - Medium", "model_filename": "Llama-3.1-8B-Instruct-Q4_K_M.gguf",
        "model_size": 4912898304, "model_n_params": 8030261312, "n_ubatch": 512, "type_k": "f16", "type_v": "f16",
        "n_gpu_layers": 99, "flash_attn": True,
    }  # fmt: skip
    tests = [{"n_prompt": 512, "n_gen": 0, "avg_ts": 4800.0}, {"n_prompt": 0, "n_gen": 128, "avg_ts": 131.0}]
    (folder / "bench.jsonl").write_text("".join(json.dumps({**run, **test}) + "\n" for test in tests))


def _write_profile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile of a machine that is made up, in no time."""
    fake = _load("fake_device")
    with monkeypatch.context() as made_up:
        made_up.setenv("SIZER_PROBE_ROOT", str(MACHINES / "virtual-machine.txt"))
        made_up.setattr(devices, "open_core", lambda _name, **_how: fake.FakeDevice())
        made_up.setattr(devices, "backends", lambda: devices.Backends((), (), ("CUDA: no device", "OpenCL: no device")))
        sizer.measure(quick=True, output=path, progress=False)


@pytest.mark.parametrize("block", BLOCKS)
def test_python(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, str(README), "exec"), {})
    capsys.readouterr()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, and stores, with the files that the commands name: small models under those names."""
    files = _load("model_files")
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
    _write_profile(tmp_path / "profile.json", monkeypatch)
    _write_figures(tmp_path)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("line", LINES)
def test_command_line(run: Callable[..., Any], line: str) -> None:
    result = run(*shlex.split(line, comments=True))
    assert result.code in (0, 1), result.err
    assert result.out


def test_something_was_found() -> None:
    assert BLOCKS
    assert LINES

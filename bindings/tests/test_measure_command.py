"""`sizer measure`: the profile that it writes, what it says, and its picture. A stand-in for the devices."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer

Call = Callable[..., Any]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


machine = _load("fake_machine")
fake, use, fails_at = machine.fake, machine.use, machine.fails_at


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_command_writes_a_profile_that_estimates_take(run: Call, tmp_path: Path) -> None:
    file = str(tmp_path / "here.json")
    result = run("measure", "--quick", "-o", file)
    assert result.code == 0, result.err
    assert "proved to be the memory's" in result.out
    assert "CUDA: this build has no CUDA kernels" in result.out
    assert "--on" in result.out
    assert all(len(line) <= 100 for line in result.out.splitlines())
    assert run("hardware", file).code == 0
    assert run("validate", file).code == 0
    assert run("estimate", "llama-3.1-8b", "--on", file).code == 0


def test_the_command_prints_the_profile_as_json(run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("measure", "--quick", "--device", "cpu", "--threads", "2", "--json")
    assert result.code == 0
    assert result.err == ""
    assert result.json == json.loads((tmp_path / "sizer-profile.json").read_text())
    assert sizer.Profile.from_dict(result.json).mode == "quick"


def test_the_command_says_that_it_was_interrupted(run: Call, tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=fails_at(3, KeyboardInterrupt())))
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"))
    assert result.code == 130
    assert "interrupted, no profile written" in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_lost_gpu_is_a_warning_of_the_command(run: Call, tmp_path: Path, use: Call) -> None:
    use(cuda=[fake.fake_gpu(before=fails_at(3, sizer.DeviceError("card: lost", True)))])
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"))
    assert result.code == 0
    assert "card: lost" in result.err
    use(cpu=fake.FakeDevice(before=fails_at(3, sizer.DeviceError("CPU: gone", True))))
    assert run("measure", "--quick", "-o", str(tmp_path / "there.json")).code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--threads", "many"), "threads"),
        (("--device", "tpu"), "device"),
        (("-o", "no-such-folder/x.json"), "no-such-folder"),
        (("--plot", "x.gif"), ".png or .svg"),
        (("--plot", "no-such-folder/x.png"), "no-such-folder"),
    ],
)
def test_wrong_options_are_usage_errors_before_the_measuring(
    run: Call, use: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    result = run("measure", "--quick", *arguments)
    assert result.code == 2
    assert says in result.err
    assert cpu.calls == []
    assert list(tmp_path.iterdir()) == []


# --- the picture ------------------------------------------------------------------------------------------------------


def test_the_picture_is_drawn(run: Call, tmp_path: Path, use: Call) -> None:
    pytest.importorskip("matplotlib")
    use(cuda=[fake.fake_gpu()])
    picture = tmp_path / "here.png"
    result = run("measure", "--quick", "-o", str(tmp_path / "here.json"), "--plot", str(picture))
    assert result.code == 0, result.err
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawn = sizer.Profile.read(tmp_path / "here.json").plot(tmp_path / "here.svg")
    assert "<svg" in drawn.read_text()


def test_a_missing_matplotlib_is_said_before_the_measuring(
    run: Call, tmp_path: Path, use: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    result = run("measure", "--quick", "-o", str(tmp_path / "x.json"), "--plot", str(tmp_path / "x.png"))
    assert result.code == 2
    assert "pip install matplotlib" in result.err
    assert cpu.calls == []

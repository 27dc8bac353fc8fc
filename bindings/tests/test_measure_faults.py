"""Measuring where something fails or runs short: what is left, and what is said. A stand-in for the devices."""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sizer
from sizer._measure import plan

MIB = 1024**2

Call = Callable[..., Any]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


machine = _load("fake_machine")
fake, use, fails_at = machine.fake, machine.use, machine.fails_at


def test_ctrl_c_leaves_no_file(tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=fails_at(7, KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_an_older_profile_as_it_was(tmp_path: Path, use: Call) -> None:
    file = tmp_path / "here.json"
    sizer.measure(quick=True, output=file)
    before = file.read_bytes()
    use(cpu=fake.FakeDevice(before=fails_at(7, KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        sizer.measure(quick=True, output=file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    before = file.read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(sizer.InvalidValueError, match="No space left"):
        profile.write(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_older_profile_is_replaced_and_nothing_else_is(tmp_path: Path, use: Call) -> None:
    file, other = tmp_path / "here.json", tmp_path / "notes.txt"
    other.write_text("mine")
    sizer.measure(quick=True, output=file)
    file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    second = sizer.measure(quick=True, output=link)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert second == sizer.Profile.read(file)
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    for target, says in ((other, "something else"), (tmp_path, "not of a folder"), (tmp_path / "no" / "x.json", "no")):
        with pytest.raises(sizer.InvalidValueError, match=says):
            sizer.measure(quick=True, output=target)
    for target in ("", "a\0b"):
        with pytest.raises(sizer.InvalidValueError, match="output"):
            sizer.measure(quick=True, output=target)
    assert other.read_text() == "mine"
    assert cpu.calls == [], "it is said before anything is measured"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_error_before_the_measuring(tmp_path: Path, use: Call) -> None:
    cpu = fake.FakeDevice()
    use(cpu=cpu)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(sizer.InvalidValueError, match="Permission denied"):
        sizer.measure(quick=True, output=folder / "here.json")
    assert cpu.calls == []


def test_a_gpu_that_is_lost_keeps_what_came_before_and_the_processor(tmp_path: Path, use: Call) -> None:
    gone = sizer.DeviceError("NVIDIA GeForce RTX 3090: fell off the bus", True)
    card = fake.fake_gpu(before=fails_at(6, gone))
    use(cuda=[card])
    file = tmp_path / "here.json"
    profile = sizer.measure(quick=True, output=file)
    device = profile.device("cuda:0")
    assert device.problem is not None and "fell off the bus" in device.problem
    assert len(device.measurements) == 5
    assert len(card.calls) == 6, "a lost device is asked nothing more"
    assert any("lost before" in one.reason for one in device.left_out)
    assert profile.device("cpu").problem is None
    assert sizer.Profile.read(file) == profile
    assert "fell off the bus" in str(profile)


def test_a_gpu_that_cannot_be_opened_is_a_problem_only_when_it_was_asked_for(use: Call) -> None:
    use(cuda=[sizer.DeviceError("a card: busy", False)])
    profile = sizer.measure(quick=True)
    assert "busy" in str(profile.device("cuda:0").problem)
    with pytest.raises(sizer.DeviceError, match="busy"):
        sizer.measure(quick=True, device="cuda:0")


def test_a_processor_that_fails_is_an_error(tmp_path: Path, use: Call) -> None:
    use(cpu=fake.FakeDevice(before=fails_at(3, sizer.DeviceError("CPU: gone", True))))
    with pytest.raises(sizer.DeviceError, match="gone"):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_wrong_results_of_one_kernel_leave_it_out(use: Call) -> None:
    def before(kernel: str, _call: int) -> None:
        if kernel == "matvec_q4_k":
            raise sizer.SizerError("matvec_q4_k (fake): wrong result")

    use(cpu=fake.FakeDevice(before=before, refused={"read_after_flush": "no instruction flushes a line here"}))
    profile = sizer.measure(quick=True)
    device = profile.device("cpu")
    assert not device.of("matvec_q4_k")
    reasons = {one.kernel: one.reason for one in device.left_out}
    assert "wrong result" in reasons["matvec_q4_k (1 thread, 512.0 MiB)"]
    assert reasons["read_after_flush"] == "no instruction flushes a line here"
    assert "q4_k" not in profile.entry["devices"][0]["measured"][0]["weights"]
    assert "wrong result" in str(profile)


def test_nothing_that_was_read_is_an_error(use: Call) -> None:
    use(cpu=fake.FakeDevice(before=fails_at(1, sizer.SizerError("memory: the system refused 512 MiB"))))
    with pytest.raises(sizer.SizerError, match="the system refused"):
        sizer.measure(quick=True)


def test_memory_that_the_system_refuses_is_an_error_and_no_profile_of_a_cache(tmp_path: Path, use: Call) -> None:
    class Small(fake.FakeDevice):  # type: ignore[name-defined, misc]
        def run(self, **request: Any) -> dict[str, Any]:
            if request["working_set_bytes"] > 64 * MIB:
                raise sizer.SizerError("memory: the system refused 512 MiB: Cannot allocate memory")
            got: dict[str, Any] = super().run(**request)
            return got

    use(cpu=Small())
    with pytest.raises(sizer.SizerError, match="the memory was not read: memory: the system refused 512 MiB"):
        sizer.measure(quick=True, output=tmp_path / "here.json")
    assert list(tmp_path.iterdir()) == []


def test_one_core_is_enough(use: Call) -> None:
    use(cpu=fake.FakeDevice(threads=1))
    profile = sizer.measure(quick=True)
    assert profile.device("cpu").thread_counts == (1,)
    assert [one["threads"] for one in profile.entry["devices"][0]["measured"]] == [1]


def test_a_limit_of_the_control_group_is_named(use: Call) -> None:
    use(cpu=fake.FakeDevice(largest=100 * MIB))
    profile = sizer.measure(quick=True)
    device = profile.device("cpu")
    assert "100.0 MiB" in device.notes[0]
    assert max(one.working_set_bytes for one in device.measurements) <= 100 * MIB
    assert not device.plateau.proved
    assert "100.0 MiB" in str(profile)


def test_time_that_runs_out_is_a_reason(use: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "QUICK_SECONDS", 0.2)
    use(cpu=fake.FakeDevice(before=lambda _kernel, _call: time.sleep(0.01)))
    device = sizer.measure(quick=True).device("cpu")
    assert any(one.reason == "time" for one in device.left_out)
    assert device.plateau.proved, "what proves the memory is required"


def test_progress_is_told_and_rises(use: Call) -> None:
    use(cuda=[fake.fake_gpu()])
    told: list[tuple[float, str]] = []
    sizer.measure(quick=True, progress=lambda share, what: told.append((share, what)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert any("cuda:0 matvec_q4_k" in what for _, what in told)
    with pytest.raises(sizer.WrongTypeError, match="progress"):
        sizer.measure(quick=True, progress="yes")  # type: ignore[arg-type]

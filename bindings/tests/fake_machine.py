"""A virtual machine without a GPU, whose devices are those that a test says."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sizer._measure import devices

MACHINES = Path(__file__).resolve().parents[2] / "tests" / "golden" / "data" / "machines"

Call = Callable[..., Any]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sizer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


fake = _load("fake_device")


@pytest.fixture(autouse=True)
def use(monkeypatch: pytest.MonkeyPatch) -> Call:
    """`use(cpu=device, cuda=[device])`: the devices that this machine has. It is a virtual machine without a GPU."""
    monkeypatch.setenv("SIZER_PROBE_ROOT", str(MACHINES / "virtual-machine.txt"))

    def having(cpu: Any = None, cuda: Any = ()) -> None:
        known = {"cpu": cpu or fake.FakeDevice(), **{f"cuda:{i}": one for i, one in enumerate(cuda)}}

        def open_core(name: str, **_how: Any) -> Any:
            if isinstance(known[name], Exception):
                raise known[name]
            return known[name]

        names = tuple(getattr(one, "name", "a card") for one in cuda)
        found = devices.Backends(names, (), () if cuda else ("CUDA: this build has no CUDA kernels",))
        monkeypatch.setattr(devices, "open_core", open_core)
        monkeypatch.setattr(devices, "backends", lambda: found)

    having()
    return having


def fails_at(call: int, error: BaseException) -> Callable[[str, int], None]:
    def before(_kernel: str, number: int) -> None:
        if number >= call:
            raise error

    return before

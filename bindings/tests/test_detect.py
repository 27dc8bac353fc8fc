"""Detection: the record, the report, and "this" as a machine. Recorded machines stand in for the one that runs this."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sizer

MACHINES = Path(__file__).resolve().parents[2] / "tests" / "golden" / "data" / "machines"
MODEL = "qwen3-coder-30b-a3b"
NAMES = sorted(path.stem for path in MACHINES.glob("*.txt"))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIZER_PROBE_ROOT", "SIZER_NVML_LIBRARY", "SIZER_CATALOGUE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setenv("SIZER_PROBE_ROOT", str(MACHINES / f"{name}.txt"))


def fake_nvml(kind: str) -> Path:
    """A library of the C++ tests; only where they were built."""
    library = Path(os.environ.get("SIZER_BUILD_DIR", "no-build")) / "tests" / f"fake_nvml_{kind}.so"
    if not library.exists():
        pytest.skip("the stand-ins for NVML are built with the C++ tests")
    return library


def test_recorded_machines_are_there() -> None:
    assert len(NAMES) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_a_record_has_a_value_or_a_reason_in_each_field_and_comes_back(name: str) -> None:
    here = sizer.detect(root=MACHINES / f"{name}.txt")
    parts = [here.cpu, here.memory, here.os, *here.gpus]
    facts = [here.product, *(getattr(part, field) for part in parts for field in type(part)._nested)]
    for fact in facts:
        assert isinstance(fact, sizer.Fact)
        assert (fact.value is None) == (fact.reason is not None), fact
    assert sizer.Detection.from_dict(here.to_dict()) == here
    assert pickle.loads(pickle.dumps(here)) == here
    assert str(here).isascii()
    assert "<table" in here._repr_html_()


def test_this_machine_can_be_looked_at() -> None:
    here = sizer.detect()
    assert here.to_dict()["schema_version"] == 1
    assert here.cpu.logical_cpus.value is None or here.cpu.logical_cpus.value >= 1


def test_a_wrong_root_is_an_error() -> None:
    with pytest.raises(sizer.DataError, match="no-such-folder"):
        sizer.detect(root="no-such-folder")
    with pytest.raises(sizer.WrongTypeError, match="root"):
        sizer.detect(root=5)  # type: ignore[arg-type]


def test_this_is_a_machine_with_the_detected_memory(at: Callable[[str], None]) -> None:
    at("strix-halo")
    assert sizer.detect().match.id == "asus-rog-flow-z13-395-128gb"
    machine = sizer.hardware("this")
    assert machine.id == "this"
    assert machine.usable_bytes == 100 * 1024**3
    assert machine.bandwidth_gb_per_s == 256
    assert machine.price_usd is None
    assert pickle.loads(pickle.dumps(machine)) == machine
    assert sizer.Hardware.from_dict(machine.to_dict()) == machine
    usable = machine.to_dict()["devices"][0]["memory"]["usable"]
    assert (usable["kind"], usable["source"]) == ("measured", "detected")


def test_estimates_and_comparisons_take_this(at: Callable[[str], None]) -> None:
    at("apple-m4-max")
    there = sizer.estimate(model=MODEL, hardware="apple-m4-max-40c-64gb", context=32768)
    here = sizer.estimate(model=MODEL, hardware="this", context=32768)
    assert here.memory.available_bytes == there.memory.available_bytes
    assert here.decode.tokens_per_s == there.decode.tokens_per_s
    rows = sizer.compare(MODEL, machines=["this", "dgx-spark"], context=32768).machines
    assert {row.id for row in rows} == {"this", "dgx-spark-gb10-128gb"}


def test_too_little_known_is_an_error_that_says_what_to_do(at: Callable[[str], None]) -> None:
    at("epyc-9375f-two-sockets")
    match = sizer.detect().match
    assert match.id is None
    assert match.problem is not None
    with pytest.raises(sizer.SizerError, match=r"memory bandwidth of this machine.*EPYC 9375F.*sizer\.Hardware"):
        sizer.hardware("this")


def test_nvml_is_asked_through_its_library(at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    at("ryzen-9800x3d")
    monkeypatch.setenv("SIZER_NVML_LIBRARY", str(fake_nvml("cards")))
    here = sizer.detect()
    assert [gpu.name.value for gpu in here.gpus] == ["NVIDIA GeForce RTX 3090", "NVIDIA H100 80GB HBM3"]
    assert here.gpus[0].pcie_max.value == {"generation": 4, "width": 16}
    assert here.match.id == "h100-80gb-sxm"
    monkeypatch.setenv("SIZER_NVML_LIBRARY", str(fake_nvml("no_driver")))
    here = sizer.detect()
    assert not here.gpus
    assert any("the driver is not loaded" in reason for reason in here.gpu_reasons)


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_detect_prints_what_was_found_and_why_not(name: str, run: Callable[..., Any]) -> None:
    path = str(MACHINES / f"{name}.txt")
    result = run("detect", "--root", path)
    assert result.code == 0
    assert "Not found" in result.out
    assert "In the catalogue" in result.out
    assert max(map(len, result.out.splitlines())) <= 100
    assert run("detect", "--root", path, "--json").json == sizer.detect(root=path).to_dict()


def test_estimate_on_this(run: Callable[..., Any], at: Callable[[str], None]) -> None:
    at("ryzen-9800x3d")
    result = run("estimate", MODEL, "--on", "this", "--context", "8192", "--json")
    assert result.code == 0
    assert result.json["memory"]["available_bytes"] == 31_996_000 * 1024
    shown = run("estimate", MODEL, "--on", "this", "--context", "8192")
    assert "this machine (Ryzen 7 9800X3D)" in " ".join(shown.out.split())
    rows = run("compare", MODEL, "--on", "this", "--on", "dgx-spark", "--context", "8192", "--json").json["machines"]
    assert {row["id"] for row in rows} == {"this", "dgx-spark-gb10-128gb"}
    assert run("hardware", "this", "--json").json["id"] == "this"


def test_estimate_on_this_without_a_bandwidth(run: Callable[..., Any], at: Callable[[str], None]) -> None:
    at("epyc-9375f-two-sockets")
    result = run("estimate", MODEL, "--on", "this")
    assert result.code == 2
    assert "is not known" in result.err
    assert "sizer hardware" in result.err
